package warehouse

import (
	"context"
	"errors"
	"fmt"
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
