package warehouse

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/sequence"
)

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
	size, ceiling := most, most // a group that was too large is not tried again
	if q.rows > largeRows {
		size = min(size, firstGroup)
	}
	for len(q.order) > 0 {
		group := q.order[:min(size, len(q.order))]
		begun := time.Now()
		err := q.group(ctx, group)
		switch {
		case errors.Is(err, errTooMuch) && len(group) > 1:
			size, ceiling = len(group)/2, max(1, len(group)*3/4)
			continue
		case errors.Is(err, errTooMuch): // one user may have most of the events
			q.info.Full, ceiling = true, most
		case err != nil:
			return err
		}
		q.order = q.order[len(group):]
		if q.left() <= 0 || q.full() {
			return nil
		}
		size = min(ceiling, 2*len(group))
		if took := time.Since(begun); len(q.ranges) > 0 && err == nil && q.rows > largeRows {
			// A group that does not end in time is lost.
			size = max(1, min(ceiling, int(float64(len(group))*float64(q.left())/float64(took)*0.8)))
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
