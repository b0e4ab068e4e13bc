package warehouse_test

import (
	"io/fs"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/recount"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// historyOf returns a history that may begin before migration 0011.
func historyOf(t *testing.T, d *postgres.Database, seed uint64) *history {
	t.Helper()
	first := noon.Truncate(24 * time.Hour)
	return &history{
		t: t, r: rand.New(rand.NewPCG(seed, 5)), d: d, first: first, now: first.Add(30 * time.Hour), stored: map[string]recount.Event{}, links: map[string]string{},
		loader: d.As(t, contract.RoleLoader), second: d.As(t, contract.RoleLoader), owner: d.As(t, contract.RoleOwner), reader: d.As(t, contract.RoleReader),
	}
}

// schemaAt returns a warehouse with the first migrations.
func schemaAt(t *testing.T, version int) *postgres.Database {
	t.Helper()
	d := shared.Empty(t)
	d.EnsureRoles(t)
	if got, err := d.As(t, contract.RoleOwner).MigrateFrom(t.Context(), firstMigrations(t, version)); err != nil || got != version {
		t.Fatal(got, err)
	}
	return d
}

// firstMigrations returns the files of the first migrations.
func firstMigrations(t *testing.T, version int) fs.FS {
	t.Helper()
	names, err := fs.Glob(warehouse.MigrationFiles(), "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	older := fstest.MapFS{}
	for _, name := range names[:version] {
		text, err := fs.ReadFile(warehouse.MigrationFiles(), name)
		if err != nil {
			t.Fatal(err)
		}
		older[name] = &fstest.MapFile{Data: text}
	}
	return older
}

// loadAsBefore loads a chunk with the statements of the loader before migration 0010,
// as far as they concern blocks.
func loadAsBefore(t *testing.T, conn *pgx.Conn, c warehouse.Chunk) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do := func(sql string, args ...any) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	do("LOCK TABLE public.load_gate IN ROW EXCLUSIVE MODE")
	var minutes []time.Time
	for record := range c.Records {
		rows, _ := c.Decode(record)
		for _, r := range rows {
			do(`INSERT INTO public.events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id, timestamp) DO NOTHING`,
				[16]byte(r.Event.ID), r.Event.UserID, r.Event.Type, r.Event.Timestamp, string(r.Event.Properties), r.ReceivedAt, r.ArrivedAt)
			minutes = append(minutes, r.Event.Timestamp.Truncate(time.Minute))
		}
	}
	do(`INSERT INTO public.load_batch (shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes, arrived, job)
		VALUES ($1, $2, $3, $4, 0, 0, 0, $5, $6, NULL)`, c.Shard, c.FirstSeq, c.LastSeq, c.Records, minutes, noon)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestBlocksAfterAnUpgrade upgrades a filled warehouse and rolls the code back. The
// loaders of both versions keep their connections.
func TestBlocksAfterAnUpgrade(t *testing.T) {
	for _, version := range []int{9, 10} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			d, first := schemaAt(t, version), noon.Truncate(24*time.Hour)
			owner := d.As(t, contract.RoleOwner)
			if _, err := owner.EnsurePartitions(t.Context(), first, first.AddDate(0, 0, 4), nil); err != nil {
				t.Fatal(err)
			}
			before, err := pgx.Connect(t.Context(), d.URL(contract.RoleLoader))
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close(t.Context())
			h := historyOf(t, d, uint64(version))
			for range 20 {
				loadAsBefore(t, before, h.chunk(h.events()))
			}
			// The new loader can't load yet. Lambda retries its records, so it must
			// store nothing and work after the migration.
			early := h.chunk(h.events())
			if _, err := h.loader.Load(t.Context(), early); err == nil {
				t.Fatal("the new loader ignores the missing migration")
			}
			loadAsBefore(t, before, h.chunk(h.events()))
			if got, err := owner.Migrate(t.Context()); err != nil || got != newest {
				t.Fatal(got, err)
			}
			if err := owner.SetInsightProperties(t.Context(), questionPaths); err != nil {
				t.Fatal(err)
			}
			loadAsBefore(t, before, h.chunk(h.events()))
			if err := h.load(h.loader, early); err != nil {
				t.Fatal(err)
			}
			h.comment = "before packing"
			h.checkCounts()
			sequences := &warehouse.Sequences{DB: owner}
			pack := func() {
				t.Helper()
				if _, err := sequences.Pack(t.Context(), h.now, func() bool { return true }); err != nil {
					t.Fatal(err)
				}
				h.checkCounts()
				h.check(20)
			}
			h.comment = "packed"
			pack()
			if n := number(t, d.Conn(t), "SELECT sum(events) FROM sequence_span WHERE packed_at IS NOT NULL"); n < 200 {
				t.Errorf("%d events in blocks", n)
			}

			h.comment = "rolled back"
			loadAsBefore(t, before, h.chunk(h.events()))
			h.checkCounts()
			h.comment = "rolled back for longer than batches are kept"
			execute(t, d, postgres.Master, "UPDATE load_batch SET loaded_at = loaded_at - interval '15 days'")
			execute(t, d, contract.RoleOwner, "SET ROLE streamctl_tables; DELETE FROM public.load_batch WHERE loaded_at < now() - interval '14 days'")
			h.checkCounts()
			h.check(20)
			h.comment = "upgraded again"
			if err := h.load(h.loader, h.chunk(h.events())); err != nil {
				t.Fatal(err)
			}
			h.now = h.now.Add(12 * time.Hour)
			pack()
			if n := number(t, d.Conn(t), "SELECT count(*) FROM sequence_stale WHERE user_id IS NULL"); n != 0 {
				t.Errorf("%d hours remain stale", n)
			}
		})
	}
}

// TestPackAfterAnOutageOfMaintenance packs nothing for 20 minutes, across the end of an hour, and
// then the hour.
func TestPackAfterAnOutageOfMaintenance(t *testing.T) {
	first := noon.Truncate(24 * time.Hour)
	h := newHistory(t, shared.Warehouse(t, first, first.AddDate(0, 0, historyDays)), 20)
	conn, sequences := h.d.Conn(t), &warehouse.Sequences{DB: h.owner}
	minute := func(packs bool) {
		t.Helper()
		if err := h.load(h.loader, h.chunk(h.events())); err != nil {
			t.Fatal(err)
		}
		if packs {
			if _, err := sequences.Pack(t.Context(), h.now, func() bool { return true }); err != nil {
				t.Fatal(err)
			}
		}
		h.checkCounts()
		h.now = h.now.Add(time.Minute)
	}
	end := func() time.Time {
		t.Helper()
		var at time.Time
		if err := conn.QueryRow(t.Context(), "SELECT max(span_end) FROM sequence_span WHERE packed_at IS NOT NULL").Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	whole := h.now.Truncate(time.Hour).Add(time.Hour)
	h.now = whole.Add(-15 * time.Minute)
	minute(true)
	if got := end(); !got.Equal(whole.Add(-time.Hour)) {
		t.Errorf("packed until %s", got)
	}
	for range 20 {
		minute(false)
	}
	if got := end(); !got.Equal(whole.Add(-time.Hour)) {
		t.Errorf("packed until %s without maintenance", got)
	}
	minute(true)
	if got := end(); !got.Equal(whole) {
		t.Errorf("packed until %s after the outage, want %s", got, whole)
	}
	h.check(20)
}
