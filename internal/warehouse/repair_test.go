package warehouse_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// refusing is a schema fault that looks like a data fault. The seventh row
// tried, which is the second row tried alone, waits before it is rejected.
const refusing = `
	CREATE SEQUENCE tries;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF nextval('tries') = 7 THEN PERFORM pg_advisory_xact_lock_shared(7, 7); END IF;
		RAISE EXCEPTION 'no' USING ERRCODE = '22P02';
	END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse();
	SELECT pg_advisory_lock(7, 7)`

// TestASchemaIsNotRepairedWithinALoad repairs the schema while a load isolates
// the failing events. If the repair took effect while a savepoint is rolled
// back, the remaining events would load and the first ones be quarantined for
// good.
func TestASchemaIsNotRepairedWithinALoad(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn, mender := d.As(t, contract.RoleLoader), d.Conn(t), d.Conn(t)
	if _, err := conn.Exec(t.Context(), refusing); err != nil {
		t.Fatal(err)
	}
	c := chunk(rows(20, nil))
	c.Keep = func(_ context.Context, bad []warehouse.Rejected) (string, error) {
		t.Errorf("%d lines were quarantined", len(bad))
		return "quarantine/v1/x", nil
	}
	loaded, mended := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := db.Load(t.Context(), c)
		loaded <- err
	}()
	waitsFor(t, conn, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7 AND NOT granted")
	go func() {
		_, err := mender.Exec(t.Context(), "ALTER TABLE events DISABLE TRIGGER refuse")
		mended <- err
	}()
	waitsFor(t, conn, "SELECT count(*) FROM pg_locks WHERE relation = 'events'::regclass AND NOT granted")
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_unlock(7, 7)"); err != nil {
		t.Fatal(err)
	}
	if err := <-loaded; err == nil || !strings.Contains(err.Error(), warehouse.ErrTooManyRejected.Error()) {
		t.Errorf("error is %v, want %v", err, warehouse.ErrTooManyRejected)
	}
	if err := <-mended; err != nil {
		t.Fatal(err)
	}
	if done, err := db.Load(t.Context(), c); err != nil || done.Inserted != 20 {
		t.Errorf("after the repair: %+v, %v", done, err)
	}
}

// waitsFor waits until a query returns 1.
func waitsFor(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for number(t, conn, sql) != 1 {
		if err := pause.For(ctx, time.Millisecond); err != nil {
			t.Fatal(errors.Join(err, errors.New(sql)))
		}
	}
}
