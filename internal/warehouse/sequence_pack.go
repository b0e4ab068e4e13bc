package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/streamctl/streamctl/internal/sequence"
)

const (
	// packRows is the number of events that a packer holds in memory.
	packRows = 1_000_000
	// markTimeout limits how long new loads wait behind a packer that waits for running
	// ones.
	markTimeout = time.Second
	hour        = time.Hour
	oneDay      = 24 * time.Hour
)

// packing is the rewriting of one span, in one transaction.
type packing struct {
	from, to time.Time
	tx       pgx.Tx
	paths    []string
	spans    []spanState
	encoder  sequence.Encoder
	decoder  sequence.Decoder
	events   int64
	bytes    int64
}

// Rewrite packs the events from (inclusive) to (exclusive), an hour or a day, as one
// span: it joins existing blocks and adds the events of users who got further ones, or
// reads everything from the table events if blocks are missing or unusable, or if fresh
// is set. The error is ErrSpanBusy if another packer works on a part. Run it as
// streamctl_owner.
func (s *Sequences) Rewrite(ctx context.Context, from, to time.Time, fresh bool) error {
	err := s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := mark(ctx, conn, from, to); err != nil {
			return err
		}
		return rewriteTx(ctx, conn, func(tx pgx.Tx) error {
			p := &packing{from: from, to: to, tx: tx}
			return p.run(ctx, fresh)
		})
	})
	if err != nil {
		return fmt.Errorf("pack %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
	return nil
}

// rewriteTx runs work in a transaction with one snapshot, as the role that owns the
// objects.
func rewriteTx(ctx context.Context, conn *pgx.Conn, work func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		// A large hour takes longer than the role's timeouts; ctx limits it.
		_, err := tx.Exec(ctx, `SELECT set_config('role', 'streamctl_tables', true), set_config('statement_timeout', '0', true),
			set_config('idle_in_transaction_session_timeout', '5min', true)`)
		if err != nil {
			return err
		}
		return work(tx)
	})
}

// mark adds the hours of a span that have no row in sequence_span. All loads that begin
// afterwards record their users. Running loads have ended, so that the next snapshot
// includes them.
func mark(ctx context.Context, conn *pgx.Conn, from, to time.Time) error {
	const missing = `SELECT h FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 microsecond', interval '1 hour') h
		WHERE NOT EXISTS (SELECT FROM public.sequence_span s WHERE s.span_start <= h AND s.span_end > h)`
	rows, err := conn.Query(ctx, missing, from, to)
	if err != nil {
		return err
	}
	hours, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil || len(hours) == 0 {
		return err
	}
	return asTables(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", millis(markTimeout)); err != nil {
			return err
		}
		if err := lockLoads(ctx, tx); err != nil {
			return err
		}
		if len(hours) == int(to.Sub(from)/hour) {
			_, err := tx.Exec(ctx, "INSERT INTO public.sequence_span (span_start, span_end) VALUES ($1, $2) ON CONFLICT DO NOTHING", from, to)
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO public.sequence_span (span_start, span_end)
			SELECT h, h + interval '1 hour' FROM (`+missing+`) m ON CONFLICT DO NOTHING`, from, to)
		return err
	})
}

func (p *packing) run(ctx context.Context, fresh bool) error {
	// The first statement takes the snapshot and the lease.
	rows, err := p.tx.Query(ctx, `SELECT extract(epoch FROM span_end - span_start)::bigint FROM public.sequence_span
		WHERE span_start >= $1 AND span_end <= $2 ORDER BY span_start FOR UPDATE SKIP LOCKED`, p.from, p.to)
	if err != nil {
		return err
	}
	seconds, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	covered := time.Duration(0)
	for _, s := range seconds {
		covered += time.Duration(s) * time.Second
	}
	if covered != p.to.Sub(p.from) {
		return ErrSpanBusy
	}
	if p.paths, err = declaredPaths(ctx, p.tx); err != nil {
		return err
	}
	if p.spans, err = readSpans(ctx, p.tx, p.from, p.to); err != nil {
		return err
	}
	for _, s := range p.spans {
		fresh = fresh || !s.usable(nil) || !slices.Equal(s.properties, p.paths)
	}
	if fresh {
		err = p.fromEvents(ctx)
	} else {
		err = p.fromBlocks(ctx)
	}
	if err != nil {
		return err
	}
	return p.finish(ctx)
}

func declaredPaths(ctx context.Context, q querier) ([]string, error) {
	rows, err := q.Query(ctx, "SELECT path FROM public.sequence_property ORDER BY path")
	if err != nil {
		return nil, fmt.Errorf("read declared properties: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// fromEvents packs the span from the table events, in several passes if it has too many
// events for the memory.
func (p *packing) fromEvents(ctx context.Context) error {
	n, err := countEvents(ctx, p.tx, p.from, p.to, nil)
	if err != nil {
		return err
	}
	if _, err := p.tx.Exec(ctx, "DELETE FROM public.sequence_block WHERE span_start >= $1 AND span_start < $2", p.from, p.to); err != nil {
		return fmt.Errorf("delete blocks: %w", err)
	}
	for group := range slices.Chunk(sliceOrder(), groupSize(n, packRows)) {
		f := eventFilter{from: p.from, to: p.to}
		if len(group) < sequence.Slices {
			f.slices = group
		}
		b := sequence.NewBuilder(p.paths)
		if err := addEvents(ctx, p.tx, b, p.paths, f); err != nil {
			return err
		}
		built := b.Build()
		for _, slice := range group {
			if err := p.write(ctx, int(slice), built[int(slice)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupSize returns the number of slices that have at most so many of n events, if events
// are spread evenly.
func groupSize(n, most int64) int {
	if n <= most {
		return sequence.Slices
	}
	return int(max(most*sequence.Slices/n, 1))
}

// sliceOrder returns the slices in a fixed order that mixes them.
func sliceOrder() []int16 {
	order := make([]int16, sequence.Slices)
	for i := range order {
		order[i] = int16((i*37 + 11) % sequence.Slices)
	}
	return order
}

// fromBlocks joins the blocks of the spans, with the events of the stale users from the
// table events.
func (p *packing) fromBlocks(ctx context.Context) error {
	added := sequence.NewBuilder(p.paths)
	dropped := map[uint64]bool{}
	for _, s := range p.spans {
		for _, u := range s.users {
			dropped[sequence.Hash(u)] = true
		}
	}
	var users []string
	for _, s := range p.spans {
		users = append(users, s.users...)
	}
	if len(users) > 0 {
		// The blocks of every span are read without these users.
		slices.Sort(users)
		if err := addEvents(ctx, p.tx, added, p.paths, eventFilter{from: p.from, to: p.to, users: slices.Compact(users)}); err != nil {
			return err
		}
	}
	built := added.Build()
	stale := map[int]bool{}
	for h := range dropped {
		stale[sequence.Slice(h)] = true
	}
	for slice := range sequence.Slices {
		if err := p.join(ctx, slice, built[slice], dropped, len(p.spans) > 1 || stale[slice]); err != nil {
			return err
		}
	}
	return nil
}

// join rewrites a slice if it has changed.
func (p *packing) join(ctx context.Context, slice int, added *sequence.Sequences, dropped map[uint64]bool, changed bool) error {
	if !changed {
		var size *int64
		var head []byte
		err := p.tx.QueryRow(ctx, "SELECT length(data), substr(data, 1, 64) FROM public.sequence_block WHERE slice = $1 AND span_start = $2", slice, p.from).Scan(&size, &head)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read block: %w", err)
		}
		n, err := sequence.Count(head)
		p.events, p.bytes = p.events+int64(n), p.bytes+*size
		return err //nolint:wrapcheck // names the block
	}
	starts := make([]time.Time, len(p.spans))
	for i, s := range p.spans {
		starts[i] = s.start
	}
	parts, err := readBlocks(ctx, p.tx, &p.decoder, slice, starts, p.paths, 0)
	if err != nil {
		return err
	}
	for i := range parts {
		parts[i].Drop = dropped
	}
	all := make([]sequence.Part, 0, len(parts)+1)
	for _, b := range parts {
		all = append(all, b.Part)
	}
	if added != nil {
		all = append(all, sequence.Part{Sequences: added})
	}
	if _, err := p.tx.Exec(ctx, "DELETE FROM public.sequence_block WHERE slice = $1 AND span_start >= $2 AND span_start < $3", slice, p.from, p.to); err != nil {
		return fmt.Errorf("delete blocks: %w", err)
	}
	merged, err := sequence.Merge(all, p.paths)
	if err != nil {
		return fmt.Errorf("merge blocks: %w", err)
	}
	return p.write(ctx, slice, merged)
}

// block is a decoded block.
type block struct {
	start time.Time
	sequence.Part
}

// readBlocks reads the blocks of a slice whose spans begin at the given times, in order.
// The error is errTooMuch if they take more bytes of memory than limit; 0 is no limit.
func readBlocks(ctx context.Context, tx pgx.Tx, d *sequence.Decoder, slice int, starts []time.Time, paths []string, limit int64) ([]block, error) {
	rows, err := tx.Query(ctx, "SELECT span_start, data FROM public.sequence_block WHERE slice = $1 AND span_start = ANY($2) ORDER BY span_start", slice, starts)
	if err != nil {
		return nil, fmt.Errorf("read blocks: %w", err)
	}
	var blocks []block
	var start time.Time
	var data pgtype.DriverBytes
	held := int64(0)
	_, err = pgx.ForEachRow(rows, []any{&start, &data}, func() error {
		s, err := d.Decode(data, paths)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		blocks = append(blocks, block{start.UTC(), sequence.Part{Sequences: s}})
		if held += s.Bytes(); limit > 0 && held > limit {
			return errTooMuch
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read blocks of slice %d: %w", slice, err)
	}
	return blocks, nil
}

func (p *packing) write(ctx context.Context, slice int, s *sequence.Sequences) error {
	if s == nil || s.Len() == 0 {
		return nil
	}
	data, err := p.encoder.Encode(s, p.from.UnixMicro())
	if err != nil {
		return fmt.Errorf("pack slice %d: %w", slice, err)
	}
	p.events, p.bytes = p.events+int64(s.Len()), p.bytes+int64(len(data))
	if _, err := p.tx.Exec(ctx, "INSERT INTO public.sequence_block (slice, span_start, data) VALUES ($1, $2, $3)", slice, p.from, data); err != nil {
		return fmt.Errorf("write block: %w", err)
	}
	return nil
}

// finish replaces the rows of sequence_span by one, and deletes the rows of
// sequence_stale that this transaction sees: it has read their events.
func (p *packing) finish(ctx context.Context) error {
	var batch pgx.Batch
	batch.Queue("DELETE FROM public.sequence_span WHERE span_start > $1 AND span_start < $2", p.from, p.to)
	batch.Queue(`UPDATE public.sequence_span SET span_end = $2, packed_at = now(), snapshot = pg_current_snapshot(), properties = $3, events = $4, bytes = $5
		WHERE span_start = $1`, p.from, p.to, p.paths, p.events, p.bytes)
	batch.Queue("DELETE FROM public.sequence_stale WHERE hour >= $1 AND hour < $2", p.from, p.to)
	if err := p.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("record span: %w", err)
	}
	return nil
}
