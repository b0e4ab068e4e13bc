package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// MaxChunk is the most events that one transaction loads.
const MaxChunk = 5000

// Row is an event to load, with the place it came from.
type Row struct {
	Event      event.Event
	ReceivedAt time.Time
	// ArrivedAt is when the stream took the record.
	ArrivedAt time.Time
	// Record is the record's index in the chunk.
	Record int
	// Seq and I are the line's place in the stream.
	Seq string
	I   int
	// Measures are what code makes of the event, beside the declared metrics.
	Measures []metric.Measure
}

// Bad is a line that can never be loaded.
type Bad struct {
	// Record is the record's index in the chunk.
	Record int
	Seq    string
	I      int
	Reason string
}

// Chunk is a run of whole records of one shard, loaded in one transaction.
type Chunk struct {
	Shard             string
	FirstSeq, LastSeq string
	// Arrived is when the newest record arrived.
	Arrived time.Time
	// Source is the bucket of another archive that is replayed; empty for the
	// stack's own stream and archive.
	Source string
	// Records is how many there are, with at most MaxChunk events.
	Records int
	// Decode gives the events of a record, and its lines that can never be
	// loaded. It is called for one after the other while the database copies,
	// in a goroutine, where it must not panic, and for all once more when the
	// chunk is tried again.
	Decode func(record int) ([]Row, []Bad)
	// Keep writes the lines to the archive's quarantine and returns the
	// object's key. It is called before the commit, and not without lines.
	Keep func(context.Context, []Bad) (object string, err error)
}

// Loaded tells what a committed chunk changed.
type Loaded struct {
	Inserted, Duplicates, Quarantined, Expired int
	// Minutes are the rollup rows that changed, as they are now.
	Minutes []MinuteRow
	// Users are those whose events were inserted, by day (YYYYMMDD, UTC).
	Users map[string][]string
}

// ErrTooManyBad says that the database refused so much of a chunk that the
// fault must be ours and not the data's: nothing was set aside, nothing loaded.
var ErrTooManyBad = errors.New("the database refuses too many events to be right")

// Load loads a chunk, exactly once however often it is called: an event that
// is there already is a duplicate. After an error nothing of the chunk is
// loaded, or, when the connection broke at the commit, all of it may be; the
// next call finds out.
func (d *DB) Load(ctx context.Context, c Chunk) (Loaded, error) {
	var done Loaded
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		l := load{Chunk: c}
		err := transact(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error { return l.run(ctx, tx) })
		if sqlState(err) == checkViolation && !conn.IsClosed() {
			return errors.Join(err, wantDays(ctx, conn, l.in.rows))
		}
		done = l.Loaded
		return err
	})
	if err != nil {
		return Loaded{}, fmt.Errorf("load records %s to %s: %w", c.FirstSeq, c.LastSeq, err)
	}
	return done, nil
}

// load is one attempt.
type load struct {
	Chunk
	Loaded
	in      *incoming
	refused []Bad
	known   map[string]bool // keys of metrics
}

func (l *load) run(ctx context.Context, tx pgx.Tx) error {
	if err := l.begin(ctx, tx); err != nil {
		return err
	}
	inserted, err := l.insert(ctx, tx)
	if err != nil {
		return err
	}
	sums, users, err := l.in.counts, l.in.users, l.in.err
	if len(inserted) != len(l.in.rows) {
		sums, users = newCounter(l.in.declared), usersByDay(inserted)
		err = sums.rows(inserted)
	}
	if err != nil {
		return err
	}
	if err := l.trust(ctx, tx); err != nil {
		return err
	}
	l.Inserted, l.Expired, l.Users = len(inserted), l.in.expired, users
	l.Duplicates = l.in.events - l.Inserted - l.Expired - len(l.refused)
	if err := l.quarantine(ctx, tx); err != nil {
		return err
	}
	if err := registerCode(ctx, tx, l.known, inserted); err != nil {
		return err
	}
	measures, err := limitDimensions(ctx, tx, sums.measures())
	if err != nil {
		return err
	}
	minutes := make([]time.Time, len(measures))
	for i, m := range measures {
		minutes[i] = m.Minute
	}
	var batch pgx.Batch
	l.note(&batch, minutes)
	// Last of all, so that the rows which other shards wait for are locked
	// for the shortest time; in key order, so that nobody waits in a circle.
	addToRollups(&batch, slotOf(l.Shard), measures, &l.Minutes)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("note batch, add to rollups: %w", err)
	}
	return nil
}

// trust says whether what was refused is to blame, or the database. It is the
// database where it refuses much of a chunk, or the plainest event.
func (l *load) trust(ctx context.Context, tx pgx.Tx) error {
	if len(l.refused) == 0 {
		return nil
	}
	if limit := max(10, l.in.events/10); len(l.refused) > limit {
		return fmt.Errorf("%w: %d of %d", ErrTooManyBad, len(l.refused), l.in.events)
	}
	first := l.refused[0]
	plain := l.in.rows[slices.IndexFunc(l.in.rows, func(r Row) bool { return r.Record == first.Record && r.I == first.I })]
	plain.Event = event.Event{ID: uuid.New(), UserID: "user", Type: "type", Timestamp: plain.Event.Timestamp, Properties: []byte("{}")}
	taken := errors.New("taken")
	err := savepoint(ctx, tx, func(tx pgx.Tx) error {
		_, err := l.insertRows(ctx, tx, []Row{plain})
		return errors.Join(err, taken) // to be rolled back
	})
	if sqlState(err) != "" {
		return fmt.Errorf("%w: even a plain one: %w", ErrTooManyBad, err)
	}
	if !errors.Is(err, taken) {
		return fmt.Errorf("try a plain event: %w", err)
	}
	return nil
}

// begin takes the locks and reads the floor and the metrics, in one snapshot.
func (l *load) begin(ctx context.Context, tx pgx.Tx) error {
	var floor *time.Time
	var keys, definitions []string
	var batch pgx.Batch
	// The lock comes before the first look at data: who holds it alone (a
	// recount, a raise of the floor) must see all or nothing of this chunk.
	batch.Queue("SELECT pg_advisory_xact_lock_shared($1::int, $2::int)", lockSpace, lockLoad)
	// The INSERT of nothing holds the table's lock from here on. Without it, who
	// mends a wrong schema could slip in where a savepoint is rolled back, and
	// what was refused before would be taken for broken.
	batch.Queue(`WITH lock AS (
			INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
			SELECT gen_random_uuid(), '', '', now(), '{}', now(), now() WHERE false)
		SELECT CASE WHEN isfinite(floor) THEN floor END,
			ARRAY(SELECT key FROM metric ORDER BY key),
			ARRAY(SELECT definition FROM metric WHERE active AND definition IS NOT NULL ORDER BY key)
		FROM events_floor`).QueryRow(func(row pgx.Row) error { return row.Scan(&floor, &keys, &definitions) })
	batch.Queue("SAVEPOINT copy")
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("lock loading, read floor and metrics: %w", err)
	}
	l.known = make(map[string]bool, len(keys))
	for _, key := range keys {
		l.known[key] = true
	}
	declared, err := decodeDefinitions(definitions)
	l.in = newIncoming(&l.Chunk, floor, declared)
	return err
}

// quarantine notes the lines that can't be loaded, after their bytes are safe.
func (l *load) quarantine(ctx context.Context, tx pgx.Tx) error {
	bad := slices.Concat(l.in.bad, l.refused)
	if len(bad) == 0 {
		return nil
	}
	object, err := l.Keep(ctx, bad)
	if err != nil {
		return fmt.Errorf("keep quarantined lines: %w", err)
	}
	l.Quarantined = len(bad)
	var seqs, reasons []string
	var is []int
	for _, b := range bad {
		seqs, is, reasons = append(seqs, b.Seq), append(is, b.I), append(reasons, storable(b.Reason))
	}
	_, err = tx.Exec(ctx, `INSERT INTO quarantine (shard, seq, i, reason, object)
		SELECT $1, seq, i, reason, $5 FROM unnest($2::text[], $3::int[], $4::text[]) AS b(seq, i, reason)
		ON CONFLICT (shard, seq, i) DO NOTHING`, l.Shard, seqs, is, reasons, object)
	if err != nil {
		return fmt.Errorf("note quarantined lines: %w", err)
	}
	return nil
}

// note tells the cache's refresher which minutes the chunk changes.
func (l *load) note(batch *pgx.Batch, minutes []time.Time) {
	slices.SortFunc(minutes, time.Time.Compare)
	minutes = slices.CompactFunc(minutes, time.Time.Equal)
	var arrived *time.Time
	if !l.Arrived.IsZero() {
		arrived = &l.Arrived
	}
	batch.Queue(`INSERT INTO load_batch (shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes, arrived)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		l.Shard, l.FirstSeq, l.LastSeq, l.Inserted, l.Duplicates, l.Quarantined, l.Expired, minutes, arrived)
}

func usersByDay(rows []Row) map[string][]string {
	users := map[string][]string{}
	for _, r := range rows {
		day := r.Event.Timestamp.UTC().Format("20060102")
		users[day] = append(users[day], r.Event.UserID)
	}
	for day, ids := range users {
		slices.Sort(ids)
		users[day] = slices.Compact(ids)
	}
	return users
}
