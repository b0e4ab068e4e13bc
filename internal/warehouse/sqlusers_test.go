package warehouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestSQLUserCannotStopLoads takes every lock that the role of SQL users can take,
// without the checks of the query function, and loads meanwhile.
func TestSQLUserCannotStopLoads(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	if err := d.As(t, contract.RoleOwner).SetRoles(t.Context(), warehouse.Limits{}); err != nil {
		t.Fatal(err)
	}
	user, err := pgx.Connect(t.Context(), d.URL(contract.RoleSQL))
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close(t.Context())
	for _, statement := range []string{
		"BEGIN", "SELECT pg_advisory_lock(7370421, n) FROM generate_series(1, 10) n", "SELECT pg_advisory_lock(7370422, hashtext('events'))",
		"SELECT count(*) FROM events, metric_minute, dimension, load_batch", "DECLARE c CURSOR FOR SELECT * FROM events",
	} {
		if _, err := user.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	begin := time.Now()
	loader := d.As(t, contract.RoleLoader)
	for n := range 5 { // each with a new dimension value
		load(t, loader, chunk(rows(10, func(_ int, r *warehouse.Row) { r.Event.Type = fmt.Sprintf("type%d", n) })))
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("five loads took %s beside an SQL user", took)
	}
	for _, statement := range []string{
		"LOCK TABLE load_gate IN ACCESS SHARE MODE", "LOCK TABLE events IN ROW SHARE MODE", "SELECT * FROM load_gate", "SELECT * FROM dimension_gate",
		"LOCK TABLE dimension_gate IN EXCLUSIVE MODE", "INSERT INTO dimension VALUES ('a', 'b')", "CREATE TABLE public.t (a int)", "SELECT * FROM pg_authid",
		"ALTER ROLE streamctl_sql CONNECTION LIMIT 50",
	} {
		if _, err := user.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		if _, err := user.Exec(t.Context(), "BEGIN READ WRITE"); err != nil {
			t.Fatal(err)
		}
		if _, err := user.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s is possible", statement)
		}
	}
}
