package warehouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/sequence"
)

// SequenceRequest selects the events of users.
type SequenceRequest struct {
	// From (inclusive) and To (exclusive).
	From, To time.Time
	// Types are the needed event types; nil for all. More may be read.
	Types []string
	// Paths are the needed properties.
	Paths []string
	// Budget is the time after which no further slice is read.
	Budget time.Duration
	// Memory is how many bytes the links, the events being read and the consumer may
	// take together, approximately. No further slice is read if they take more.
	Memory int64
}

// shares of SequenceRequest.Memory.
func (r *SequenceRequest) linksMemory() int64 { return r.Memory / 4 }
func (r *SequenceRequest) readMemory() int64  { return r.Memory / 8 * 3 }
func (r *SequenceRequest) heldMemory() int64  { return r.Memory / 8 * 5 }

// SequenceInfo describes what was read.
type SequenceInfo struct {
	// At is the time of the snapshot: everything committed before is included.
	At time.Time
	// Floor is the time before which events were dropped by retention; the zero time if
	// none were. They are not read.
	Floor time.Time
	// Slices is the number of slices that were read.
	Slices int
	// Full reports that slices are missing for lack of memory rather than time.
	Full bool
}

var (
	// ErrQuestionsBusy means that as many questions as allowed are being answered.
	ErrQuestionsBusy = errors.New("other questions are being answered")
	// ErrQuestionTooLarge means that the budget did not suffice for any user.
	ErrQuestionTooLarge = errors.New("there are too many events to read in the time and memory of a request")
)

// maxLinks is the number of anonymous ids up to which those of a user count, as in the
// view people_events.
const maxLinks = 100

// SequenceConsumer receives the events of users.
type SequenceConsumer interface {
	// Link receives the ids of persons with several ids, before the first slice. Some may
	// lack ids of slices that are not read.
	Link(links *sequence.Links)
	// AddSlice receives the events of one slice.
	AddSlice(slice int, parts []sequence.Part) error
	// Held returns the approximate memory of the links and of what was counted, in bytes.
	Held() int64
}

// Read passes the events of users to a consumer, slice by slice, in the order of time, as of
// one snapshot: from blocks where they can be used, otherwise from the table events.
// Parts may contain events outside of the request. It ends early when the budget is
// used up. Run it as streamctl_reader.
func (s *Sequences) Read(ctx context.Context, r SequenceRequest, to SequenceConsumer) (info SequenceInfo, err error) {
	q := &sequenceReader{SequenceRequest: r, to: to, until: time.Now().Add(r.Budget)}
	err = s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
			q.tx = tx
			return q.run(ctx)
		})
	})
	switch {
	case q.busy:
		return q.info, ErrQuestionsBusy
	case sqlState(err) == queryCanceled && q.info.Slices > 0:
		return q.info, nil // the budget was used up within a statement
	case sqlState(err) == queryCanceled || err == nil && q.info.Slices == 0:
		return q.info, ErrQuestionTooLarge
	case err != nil:
		return q.info, fmt.Errorf("read events of users: %w", err)
	}
	return q.info, nil
}

type sequenceReader struct {
	SequenceRequest
	to      SequenceConsumer
	until   time.Time
	tx      pgx.Tx
	info    SequenceInfo
	busy    bool
	decoder sequence.Decoder
	// blocks are the spans to read from blocks, in order; ranges those to read from the
	// table events.
	blocks []spanState
	drops  []map[uint64]bool
	ranges []stretch
	// rows is the estimated number of events in ranges.
	rows int64
	// order are the slices to read.
	order []int16
}

func (q *sequenceReader) run(ctx context.Context) error {
	var floor *time.Time
	var slot *int16
	if err := q.limit(ctx); err != nil {
		return err
	}
	err := q.tx.QueryRow(ctx, "SELECT slot FROM public.insight_slot ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&slot)
	if errors.Is(err, pgx.ErrNoRows) {
		q.busy = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("limit questions: %w", err)
	}
	if err := q.tx.QueryRow(ctx, "SELECT now(), CASE WHEN isfinite(floor) THEN floor END FROM public.events_floor").Scan(&q.info.At, &floor); err != nil {
		return fmt.Errorf("read retention floor: %w", err)
	}
	if q.info.At = q.info.At.UTC(); floor != nil {
		q.info.Floor = floor.UTC()
		if q.From.Before(q.info.Floor) {
			q.From = q.info.Floor
		}
	}
	if err := q.link(ctx); err != nil {
		return err
	}
	if err := q.divide(ctx); err != nil {
		return err
	}
	q.stale()
	return q.groups(ctx)
}

// limit limits the next statements to the rest of the budget.
func (q *sequenceReader) limit(ctx context.Context) error {
	_, err := q.tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', '30s', true)",
		millis(max(q.left(), time.Millisecond)))
	if err != nil {
		return fmt.Errorf("limit time: %w", err)
	}
	return nil
}

func (q *sequenceReader) left() time.Duration { return time.Until(q.until) }

// link reads the links between ids that count. If there are too many, it reads those of
// the slices that fit, and only these slices are read.
func (q *sequenceReader) link(ctx context.Context) error {
	q.order = sliceOrder()
	var n int64
	err := q.tx.QueryRow(ctx, "SELECT coalesce(sum(2 * links), 0)::bigint FROM public.identity_user WHERE links <= $1", maxLinks).Scan(&n)
	if err != nil {
		return fmt.Errorf("count links of users: %w", err)
	}
	if n == 0 {
		return nil
	}
	q.order = q.order[:groupSize(n, q.linksMemory()/sequence.LinkBytes)]
	wanted := make([]bool, sequence.Slices)
	for _, slice := range q.order {
		wanted[slice] = true
	}
	all := len(q.order) == sequence.Slices
	q.info.Full = !all
	rows, err := q.tx.Query(ctx, `SELECT i.anonymous_id, i.user_id, u.links FROM public.identity i
		JOIN public.identity_user u ON u.user_id = i.user_id AND u.links <= $1`, maxLinks)
	if err != nil {
		return fmt.Errorf("read links of users: %w", err)
	}
	links := sequence.NewLinks(int(n) * len(q.order) / sequence.Slices)
	var id, user string
	var count int
	_, err = pgx.ForEachRow(rows, []any{&id, &user, &count}, func() error {
		if count++; all {
			count = 0
		}
		h := sequence.Hash(user)
		for _, one := range []uint64{sequence.Hash(id), h} {
			if wanted[sequence.Slice(one)] {
				links.Add(one, h, count)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read links of users: %w", err)
	}
	links.Sort()
	q.to.Link(links)
	return nil
}

// divide divides the request into blocks and ranges.
func (q *sequenceReader) divide(ctx context.Context) error {
	if !q.From.Before(q.To) {
		return nil
	}
	spans, err := readSpans(ctx, q.tx, q.From, q.To)
	if err != nil {
		return err
	}
	at := q.From
	for _, s := range spans {
		if s.start.After(at) {
			if err := q.addRange(ctx, at, s.start, -1); err != nil {
				return err
			}
		}
		if !s.usable(q.Paths) {
			if err := q.addRange(ctx, later(at, s.start), earlier(s.end, q.To), s.events); err != nil {
				return err
			}
		} else {
			q.blocks = append(q.blocks, s)
		}
		at = s.end
	}
	if at.Before(q.To) {
		return q.addRange(ctx, at, q.To, -1)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// addRange adds a range to read from the table events; rows -1 is unknown.
func (q *sequenceReader) addRange(ctx context.Context, from, to time.Time, rows int64) (err error) {
	if rows <= 0 || q.Types != nil {
		if rows, err = countEvents(ctx, q.tx, from, to, q.Types); err != nil {
			return err
		}
	}
	q.rows += rows
	if n := len(q.ranges); n > 0 && q.ranges[n-1].to.Equal(from) {
		q.ranges[n-1].to = to
		return nil
	}
	q.ranges = append(q.ranges, stretch{from, to})
	return nil
}

// stale finds the users whose blocks may lack events.
func (q *sequenceReader) stale() {
	q.drops = make([]map[uint64]bool, len(q.blocks))
	for i, s := range q.blocks {
		if len(s.users) == 0 {
			continue
		}
		q.drops[i] = make(map[uint64]bool, len(s.users))
		for _, u := range s.users {
			q.drops[i][sequence.Hash(u)] = true
		}
	}
}

// firstGroup is the number of slices of the first group of a large question, and
// largeRows the number of events that makes one: so much is always answered, and its time
// shows how many slices can be read in the rest.
const (
	firstGroup = sequence.Slices / 8
	largeRows  = 1_000_000
)

// groups reads the slices in groups: each group reads the table events once.
func (q *sequenceReader) groups(ctx context.Context) error {
	most := groupSize(q.rows, q.readMemory()/sequence.RowBytes(len(q.Paths)))
	size := most
	if q.rows > largeRows {
		size = min(size, firstGroup)
	}
	for len(q.order) > 0 {
		group := q.order[:min(size, len(q.order))]
		begun := time.Now()
		err := q.group(ctx, group)
		switch {
		case errors.Is(err, errTooMuch) && len(group) > 1:
			size = len(group) / 2
			continue
		case errors.Is(err, errTooMuch): // one user may have most of the events
			q.info.Full = true
		case err != nil:
			return err
		}
		q.order = q.order[len(group):]
		if q.left() <= 0 || q.full() {
			return nil
		}
		size = min(most, 2*len(group))
		if took := time.Since(begun); len(q.ranges) > 0 && err == nil && q.rows > largeRows {
			// A group that does not end in time is lost.
			size = max(1, min(most, int(float64(len(group))*float64(q.left())/float64(took)*0.8)))
		}
	}
	return nil
}

// full reports whether the consumer has no memory for another slice.
func (q *sequenceReader) full() bool {
	if q.to.Held() <= q.heldMemory() {
		return false
	}
	q.info.Full = q.info.Slices < sequence.Slices
	return true
}

// fromTable has the events of a group of slices from the table events.
type fromTable struct {
	// ranges are by range and slice, extra by block.
	ranges, extra []map[int]*sequence.Sequences
}

// table reads the ranges, and the stale users of blocks.
func (q *sequenceReader) table(ctx context.Context, group []int16) (t fromTable, err error) {
	left := q.readMemory()
	read := func(f eventFilter) (map[int]*sequence.Sequences, error) {
		if err := q.limit(ctx); err != nil {
			return nil, err
		}
		if f.types, f.limit = q.Types, left; left <= 0 {
			return nil, errTooMuch
		}
		b := sequence.NewBuilder(q.Paths)
		if err := addEvents(ctx, q.tx, b, q.Paths, f); err != nil {
			return nil, err
		}
		left -= b.Bytes()
		return b.Build(), nil
	}
	t.ranges, t.extra = make([]map[int]*sequence.Sequences, len(q.ranges)), make([]map[int]*sequence.Sequences, len(q.blocks))
	for i, r := range q.ranges {
		f := eventFilter{from: r.from, to: r.to}
		if len(group) < sequence.Slices {
			f.slices = group
		}
		if t.ranges[i], err = read(f); err != nil {
			return t, err
		}
	}
	for i, s := range q.blocks {
		var users []string
		for _, u := range s.users {
			if slices.Contains(group, int16(sequence.Slice(sequence.Hash(u)))) { //nolint:gosec // below 64
				users = append(users, u)
			}
		}
		if len(users) == 0 {
			continue
		}
		if t.extra[i], err = read(eventFilter{from: s.start, to: s.end, users: users}); err != nil {
			return t, err
		}
	}
	return t, nil
}

// group reads slices together from the table events, and then each from its blocks.
func (q *sequenceReader) group(ctx context.Context, group []int16) error {
	t, err := q.table(ctx, group)
	if err != nil {
		return err
	}
	for _, slice := range group {
		err := q.slice(ctx, int(slice), t)
		if errors.Is(err, errTooMuch) {
			q.info.Full = true
			continue
		}
		if err != nil {
			return err
		}
		q.info.Slices++
		if q.left() <= 0 || q.full() {
			return nil
		}
	}
	return nil
}

func (q *sequenceReader) slice(ctx context.Context, slice int, t fromTable) error {
	var blocks []block
	var err error
	if len(q.blocks) > 0 {
		if err := q.limit(ctx); err != nil {
			return err
		}
		if blocks, err = q.readBlocks(ctx, slice); err != nil {
			return err
		}
	}
	for i, s := range q.blocks {
		if extra := t.extra[i][slice]; extra != nil {
			blocks = append(blocks, block{s.start, sequence.Part{Sequences: extra}})
		}
	}
	for i, r := range q.ranges {
		if s := t.ranges[i][slice]; s != nil {
			blocks = append(blocks, block{r.from, sequence.Part{Sequences: s}})
		}
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return cmp.Compare(a.start.UnixMicro(), b.start.UnixMicro()) })
	parts := make([]sequence.Part, len(blocks))
	for i, b := range blocks {
		parts[i] = b.Part
	}
	return q.to.AddSlice(slice, parts)
}

// readBlocks reads the usable blocks of a slice.
func (q *sequenceReader) readBlocks(ctx context.Context, slice int) ([]block, error) {
	starts := make([]time.Time, len(q.blocks))
	for i, s := range q.blocks {
		starts[i] = s.start
	}
	blocks, err := readBlocks(ctx, q.tx, &q.decoder, slice, starts, q.Paths, q.readMemory())
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		n, _ := slices.BinarySearchFunc(q.blocks, blocks[i].start, func(s spanState, at time.Time) int { return s.start.Compare(at) })
		blocks[i].Drop = q.drops[n]
	}
	return blocks, nil
}
