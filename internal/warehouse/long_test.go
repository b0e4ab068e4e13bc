package warehouse_test

import (
	"cmp"
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestTheFirstQueryUsesPartitionAndIndex runs with a million events over 30
// days.
func TestTheFirstQueryUsesPartitionAndIndex(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	d := shared.Warehouse(t, now.AddDate(0, 0, -30), now.AddDate(0, 0, 1))
	conn := d.Conn(t)
	for _, sql := range []string{
		`INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
		 SELECT gen_random_uuid(), 'user' || i % 10000, 'type' || i % 12, now() - i * interval '2.592 seconds', '{}', now(), now() FROM generate_series(0, 999999) i`,
		"ANALYZE events",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	plan := strings.Join(texts(t, conn, `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
		SELECT event_type, COUNT(*) FROM events WHERE timestamp >= NOW() - INTERVAL '1 hour' GROUP BY event_type`), "\n")
	t.Log(plan)
	// The hour may span two days, and tomorrow has a partition too.
	if scans := strings.Count(plan, " on events_2"); scans < 1 || scans > 6 || !strings.Contains(plan, "Subplans Removed") {
		t.Errorf("the query reads more than the partitions of the hour")
	}
	// Soon after midnight most rows of the day are the hour's: reading it whole
	// is the better plan then. At any other time the index must be used.
	seqScan := regexp.MustCompile(`Seq Scan on (events_\d+) .*actual rows=(\d+)[^\n]*\n[^\n]*Filter:[^\n]*\n(?:\s*Rows Removed by Filter: (\d+))?`)
	whole := 0
	for _, scan := range seqScan.FindAllStringSubmatch(plan, -1) {
		read, _ := strconv.Atoi(scan[2])
		removed, _ := strconv.Atoi(scan[3]) // absent if none was removed
		if removed > 3*read {
			t.Errorf("the query reads %s without an index: %d rows for %d", scan[1], read+removed, read)
		}
		whole += read
	}
	if whole == 0 && !strings.Contains(plan, "timestamp_idx") {
		t.Error("the query doesn't use an index")
	}
}

// TestLoadingNeverWaitsForALongQuery runs a query on events while days are created
// and dropped repeatedly, as maintenance does, and measures the slowest load.
// Half a minute is six times the limit; STREAMCTL_LONG_QUERY=15m, which `make scale`
// sets, is the longest query of an SQL user.
func TestLoadingNeverWaitsForALongQuery(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second
	reading, err := time.ParseDuration(cmp.Or(os.Getenv("STREAMCTL_LONG_QUERY"), "30s"))
	if err != nil {
		t.Fatal(err)
	}
	today := time.Now().UTC()
	d := shared.Warehouse(t, today.AddDate(0, 0, -3), today)
	owner, db := d.As(t, contract.RoleOwner), d.As(t, contract.RoleLoader)
	load(t, db, chunk(rows(100, func(_ int, r *warehouse.Row) { r.Event.Timestamp = today })))

	read := longRead(t, d, reading)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan int)
	go func() { // errors matter only after the query has ended
		turns := 0
		for ; ctx.Err() == nil; turns++ {
			_, _ = owner.DropDays(ctx, today.AddDate(0, 0, -1), sleep)
			_, _ = owner.EnsurePartitions(ctx, today, today.AddDate(0, 0, 1+turns), sleep)
		}
		done <- turns
	}()
	var slowest time.Duration
	loads, reads := 0, true
	for reads {
		begun := time.Now()
		load(t, db, chunk(rows(20, func(_ int, r *warehouse.Row) { r.Event.Timestamp = today })))
		slowest = max(slowest, time.Since(begun))
		loads++
		select {
		case err := <-read:
			reads = false
			if err != nil {
				t.Errorf("the query: %v", err)
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	turns := <-done
	t.Logf("%d loads, the slowest took %s; %d maintenance runs", loads, slowest, turns)
	if slowest > limit || turns < 2 {
		t.Errorf("the slowest load took %s, %d maintenance runs", slowest, turns)
	}
	if _, err := owner.DropDays(t.Context(), today.AddDate(0, 0, -1), sleep); err != nil {
		t.Error(err)
	}
	if left := days(t, d); left[0] != "events_"+today.AddDate(0, 0, -1).Format("20060102") || len(left) < 3 {
		t.Errorf("%v remain", left)
	}
}

// longRead starts a query on events and returns a channel for its result.
func longRead(t *testing.T, d *postgres.Database, takes time.Duration) <-chan error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.MasterURL())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT count(*), pg_sleep($1) FROM events", takes.Seconds())
		done <- err
	}()
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return done
}
