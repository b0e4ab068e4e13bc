package warehouse_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func errorAs[E error](err error) (e E, ok bool) { ok = errors.As(err, &e); return e, ok }

// sleep really sleeps, for tests that wait for a real lock.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// threeDays loads events of the 29th, 30th and 31st, which arrived at noon.
func threeDays(t *testing.T) *postgres.Database {
	t.Helper()
	d := shared.Warehouse(t, noon.AddDate(0, 0, -2), noon)
	load(t, d.As(t, contract.RoleLoader), chunk(rows(300, func(i int, r *warehouse.Row) {
		r.Event.Timestamp = noon.AddDate(0, 0, -(i % 3))
	})))
	return d
}

// reconciled records that the hour of arrival is archived.
func reconciled(t *testing.T, d *postgres.Database, unarchived int) {
	t.Helper()
	_, err := d.Conn(t).Exec(t.Context(), `INSERT INTO reconciled_hour (hour, lines, missing, unarchived) VALUES ($1, 300, 0, $2)
		ON CONFLICT (hour) DO UPDATE SET unarchived = excluded.unarchived`, noon, unarchived)
	if err != nil {
		t.Fatal(err)
	}
}

func days(t *testing.T, d *postgres.Database) []string {
	t.Helper()
	return texts(t, d.Conn(t), "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^events_[0-9]' ORDER BY 1")
}

func TestDaysThatAreArchivedAreDropped(t *testing.T) {
	d := threeDays(t)
	owner := d.As(t, contract.RoleOwner)
	today := noon.Truncate(24 * time.Hour)
	for _, unarchived := range []int{-1, 1, 0} { // not compared, one row not archived, all archived
		if unarchived >= 0 {
			reconciled(t, d, unarchived)
		}
		done, err := owner.DropDays(t.Context(), noon, sleep)
		if err != nil {
			t.Fatal(err)
		}
		want := []time.Time{today.AddDate(0, 0, -2), today.AddDate(0, 0, -1)}
		dropped, kept := done.Dropped, done.Kept
		if unarchived != 0 {
			dropped, kept = kept, dropped
		}
		if !slices.EqualFunc(dropped, want, time.Time.Equal) || len(kept) != 0 {
			t.Errorf("%d unarchived: dropped %v, kept %v", unarchived, done.Dropped, done.Kept)
		}
		// In all cases nothing is loaded into the day any more.
		late := load(t, d.As(t, contract.RoleLoader), chunk(rows(3, func(i int, r *warehouse.Row) { r.Event.Timestamp = noon.AddDate(0, 0, -i) })))
		if late.Inserted != 1 || late.Expired != 2 {
			t.Errorf("%d unarchived: %d inserted, %d expired", unarchived, late.Inserted, late.Expired)
		}
	}
	if left := days(t, d); !slices.Equal(left, []string{"events_20260131"}) {
		t.Errorf("%v remain", left)
	}
	if done, err := owner.DropDays(t.Context(), noon, sleep); err != nil || len(done.Dropped)+len(done.Kept) != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
	// A dropped day is not created again.
	if made, err := owner.EnsurePartitions(t.Context(), noon, noon, sleep); made != 0 || err != nil {
		t.Errorf("%d days created, %v", made, err)
	}
}

// A detach has two steps, and the server or the function may crash between
// them, or between detach and drop.
func TestAnInterruptedDropIsResumed(t *testing.T) {
	for name, half := range map[string]func(*testing.T, *postgres.Database){
		"before the second step": func(t *testing.T, d *postgres.Database) {
			// A transaction that uses the table keeps the detach waiting after
			// its first step is committed.
			reader := d.Conn(t)
			if _, err := reader.Exec(t.Context(), "BEGIN; SELECT count(*) FROM events"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := d.As(t, contract.RoleOwner).DropDays(ctx, noon.AddDate(0, 0, -1), sleep); err == nil {
				t.Error("it did not wait for the reader")
			}
			if n := number(t, d.Conn(t), "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"); n != 1 {
				t.Errorf("%d are partly detached", n)
			}
			if _, err := reader.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		},
		"between detach and drop": func(t *testing.T, d *postgres.Database) {
			if _, err := d.Conn(t).Exec(t.Context(), "ALTER TABLE events DETACH PARTITION events_20260129"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := threeDays(t)
			reconciled(t, d, 0)
			half(t, d)
			done, err := d.As(t, contract.RoleOwner).DropDays(t.Context(), noon, sleep)
			if err != nil || len(done.Dropped) != 2 {
				t.Errorf("dropped %v, %v", done.Dropped, err)
			}
			if left := days(t, d); !slices.Equal(left, []string{"events_20260131"}) {
				t.Errorf("%v remain", left)
			}
		})
	}
}
