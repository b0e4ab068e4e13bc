package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// MaxChunk is the maximum number of events that one transaction loads.
const MaxChunk = 5000

// RejectAfter is how long the oldest record of a chunk waits in the stream
// until the limit on rejected events no longer applies.
const RejectAfter = 15 * time.Minute

// Row is an event to load, with its position in the stream.
type Row struct {
	Event      event.Event
	ReceivedAt time.Time
	// ArrivedAt is when the stream accepted the record.
	ArrivedAt time.Time
	// Record is the record's index in the chunk.
	Record int
	// Seq and I are the line's position in the stream.
	Seq string
	I   int
	// Skewed reports that the client's clock was wrong: the event may be stored with
	// another time.
	Skewed bool
	// Links are the anonymous user ids that the event links to its user.
	Links []string
	// Measures are computed by Analyze, in addition to the declared metrics.
	Measures []metric.Contribution
}

// Rejected is a line that can't be loaded.
type Rejected struct {
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
	// Source is the bucket of another archive that is being replayed; empty for
	// the stack's own stream and archive.
	Source string
	// Records is the number of records, with at most MaxChunk events.
	Records int
	// Decode returns the events of a record, and its lines that can't be
	// loaded. It is called for one record after the other while the database
	// copies, in a goroutine in which it must not panic, and for all records
	// again when the chunk is loaded again.
	Decode func(record int) ([]Row, []Rejected)
	// Measure recomputes Row.Measures for an event that an operator's trigger
	// changed. Nil means that there are no computed measures.
	Measure func(event.Event) ([]metric.Contribution, error)
	// Keep writes the lines to the archive's quarantine and returns the
	// object's key. It is called before the commit, with at least one line.
	Keep func(context.Context, []Rejected) (object string, err error)
	// MaySkew reports that a row may be Skewed; then no row is copied before all are
	// decoded.
	MaySkew bool
	// RejectAll lifts the limit on rejected events, because the oldest record
	// has waited for RejectAfter.
	RejectAll bool
	// Job is the job's step that loads this chunk, recorded in the same
	// transaction; nil for a chunk of the stream.
	Job *JobStep
	// Retried are the positions of lines in quarantine that this chunk consists
	// of: those that it loads are marked as loaded.
	Retried []Position
}

// Position is the position of a line in the stream.
type Position struct {
	Shard, Seq string
	I          int
}

// Loaded counts what a committed chunk changed.
type Loaded struct {
	Inserted, Duplicates, Quarantined, Expired int
	// Folded is the number of events counted as OtherDimension, summed over the
	// metrics.
	Folded int
	// Minutes are the changed rollup rows with their new values.
	Minutes []MinuteRow
	// Users are the users whose events were inserted, by day (YYYYMMDD, UTC).
	Users map[string][]string
}

var (
	// ErrTooManyRejected means that more than ten events and more than a tenth
	// of a chunk fail alone. Nothing was quarantined or loaded. The chunk waits
	// until its oldest record is RejectAfter old.
	ErrTooManyRejected = errors.New("too many events are rejected")
	// ErrSchemaRejects means that the database rejects known-good events too:
	// the schema, a privilege or an operator's object is at fault. Nothing was
	// quarantined or loaded.
	ErrSchemaRejects = errors.New("the database rejects known-good events too")
)

// Load loads a chunk, exactly once however often it is called: an event that is
// already stored is a duplicate. After an error nothing of the chunk is loaded;
// if the connection broke during the commit, all of it may be, which the next
// call detects. Load never retries within one call.
func (d *DB) Load(ctx context.Context, c Chunk) (Loaded, error) {
	l := load{Chunk: c, timeouts: d.timeoutsOf(c), pace: d.pace}
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := transact(ctx, conn, func(tx pgx.Tx) error { return l.run(ctx, tx) })
		var missing *missingDaysError
		if errors.As(err, &missing) && !conn.IsClosed() {
			return errors.Join(err, wantDays(ctx, conn, missing.days))
		}
		return err
	})
	d.rememberTimeouts(c, l.timeouts, err)
	if err == nil && len(l.objects.triggers) > 0 {
		// A trigger can change the session's settings or its role.
		closeQuietly(ctx, d.conn)
		d.conn = nil
	}
	if err != nil {
		return Loaded{}, fmt.Errorf("load records %s to %s: %w", c.FirstSeq, c.LastSeq, err)
	}
	return l.Loaded, nil
}

// load is one attempt to load a chunk.
type load struct {
	Chunk
	Loaded
	in      *incoming
	objects objects
	// suspects failed alone once. rejected failed twice, with a known-good row
	// loaded in between. dropped disappeared without an error.
	suspects []suspect
	rejected []Rejected
	dropped  []Rejected
	// daysChecked reports whether the chunk's days are known to have
	// partitions.
	daysChecked bool
	pace        pace
	timeouts    *timeouts       // nil unless an earlier attempt timed out
	known       map[string]bool // keys of registered metrics
	// skewedBefore reports that an earlier load had skewed rows.
	skewedBefore bool
	// packedUntil is the end of the last packed span; nil if there is none.
	packedUntil *time.Time
}

func (l *load) run(ctx context.Context, tx pgx.Tx) error {
	if err := l.begin(ctx, tx); err != nil {
		return err
	}
	inserted, copied, err := l.insert(ctx, tx)
	if err != nil {
		return err
	}
	sums, users, err := l.in.counts, l.in.users, l.in.err
	if !copied {
		sums, users = newCounter(l.in.declared), usersByDay(inserted)
		err = sums.rows(inserted)
	}
	if err != nil {
		return err
	}
	l.Inserted, l.Expired, l.Users = len(inserted), l.in.expired, users
	l.Duplicates = l.in.events - l.Inserted - l.Expired - len(l.rejected) - len(l.dropped)
	if err := l.quarantine(ctx, tx); err != nil {
		return err
	}
	if err := registerCode(ctx, tx, l.known, inserted); err != nil {
		return err
	}
	if err := l.recordStale(ctx, tx, inserted); err != nil {
		return err
	}
	measures, folded, err := limitDimensions(ctx, tx, sums.measures())
	if err != nil {
		return err
	}
	l.Folded = int(folded)
	linking := inserted
	if l.Job != nil { // a replay also restores links that are missing
		if linking, err = l.stored(ctx, tx); err != nil {
			return err
		}
	}
	if err := link(ctx, tx, linking); err != nil {
		return err
	}
	if err := l.recordStep(ctx, tx); err != nil {
		return err
	}
	minutes := make([]time.Time, len(measures))
	for i, m := range measures {
		minutes[i] = m.Minute
	}
	var batch pgx.Batch
	l.note(&batch, minutes)
	// Update the rollups last, so that rows which other shards wait for are locked
	// for the shortest time, and in key order, which prevents deadlocks.
	addToRollups(&batch, slotOf(l.Shard), measures, &l.Minutes)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("record batch, add to rollups: %w", err)
	}
	return nil
}

// begin takes the locks and reads the floor, the metrics and the operator's
// objects on events.
func (l *load) begin(ctx context.Context, tx pgx.Tx) error {
	var floor *time.Time
	var keys, definitions []string
	var batch pgx.Batch
	// Take the lock before the first read of data: a transaction that holds it
	// exclusively (a recount, raising the floor) must see all or nothing of
	// this chunk.
	batch.Queue("LOCK TABLE public.load_gate IN ROW EXCLUSIVE MODE")
	// From now on no trigger, index or column of events can change. Without
	// this lock, the schema could be repaired while a savepoint is rolled back,
	// and rows rejected before the repair would count as rejected.
	batch.Queue("LOCK TABLE ONLY public.events IN ROW EXCLUSIVE MODE")
	// A constraint trigger deferred to the commit would not identify a row.
	batch.Queue("SET CONSTRAINTS ALL IMMEDIATE")
	batch.Queue(`SELECT CASE WHEN isfinite(floor) THEN floor END,
			ARRAY(SELECT key FROM public.metric ORDER BY key),
			ARRAY(SELECT definition FROM public.metric WHERE active AND definition IS NOT NULL ORDER BY key),
			EXISTS (SELECT FROM public.skewed_event), (SELECT max(span_end) FROM public.sequence_span)
		FROM public.events_floor`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&floor, &keys, &definitions, &l.skewedBefore, &l.packedUntil)
	})
	l.objects.queue(&batch)
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

// quarantine records the lines that can't be loaded, after their bytes are
// stored.
func (l *load) quarantine(ctx context.Context, tx pgx.Tx) error {
	bad := slices.Concat(l.in.bad, l.rejected, l.dropped)
	if len(bad) == 0 {
		return nil
	}
	object, err := l.Keep(ctx, bad)
	if err != nil {
		return fmt.Errorf("store quarantined lines: %w", err)
	}
	l.Quarantined = len(bad)
	var seqs, reasons []string
	var is []int
	for _, b := range bad {
		seqs, is, reasons = append(seqs, b.Seq), append(is, b.I), append(reasons, storable(b.Reason))
	}
	_, err = tx.Exec(ctx, `INSERT INTO public.quarantine (shard, seq, i, reason, object)
		SELECT $1, seq, i, reason, $5 FROM unnest($2::text[], $3::int[], $4::text[]) AS b(seq, i, reason)
		ON CONFLICT (shard, seq, i) DO NOTHING`, l.Shard, seqs, is, reasons, object)
	if err != nil {
		return fmt.Errorf("record quarantined lines: %w", err)
	}
	return nil
}

// note records the minutes that the chunk changes, for the cache's refresh.
func (l *load) note(batch *pgx.Batch, minutes []time.Time) {
	slices.SortFunc(minutes, time.Time.Compare)
	minutes = slices.CompactFunc(minutes, time.Time.Equal)
	var arrived *time.Time
	if !l.Arrived.IsZero() && l.Source == "" { // another archive's arrivals are not this stream's
		arrived = &l.Arrived
	}
	var job *int64
	if l.Job != nil {
		job = &l.Job.ID
	}
	batch.Queue(`INSERT INTO public.load_batch (shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes, arrived, job, sequenced)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true)`,
		l.Shard, l.FirstSeq, l.LastSeq, l.Inserted, l.Duplicates, l.Quarantined, l.Expired, minutes, arrived, job)
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
