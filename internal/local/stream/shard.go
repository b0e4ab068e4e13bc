package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/mapper"
)

// maxRead is the maximum number of bytes that one read returns, unless a single
// record is larger.
const maxRead = 10 << 20

// shard is a folder of segments, of which the last is written to. Its records
// are numbered from 1.
type shard struct {
	shardEntry
	stream *Stream
	dir    string

	syncing sync.Mutex // held while waiting for the disk; locked before mu
	mark    *markWriter
	low     uint64 // the mark's Low, guarded by syncing
	changed bool   // the description has to be saved

	mu       sync.Mutex
	segments []*segment
	// durable is the last record whose bytes are on disk.
	durable uint64
	// synced is the last record that the mark on disk covers. Readers see no
	// later record: after a crash of the machine its number may be assigned to
	// another record.
	synced uint64
	// broken explains why nothing can be written until repair succeeds: after a
	// failed write the content on disk is unknown.
	broken error
	// dropped counts repairs. A repair drops records that were not acknowledged
	// and reassigns their numbers.
	dropped  int
	repairAt time.Time
	// rollFailed prevents repeated notes about the same failure.
	rollFailed bool
	// unreadable is the error of the last read.
	unreadable error
}

func (sh *shard) identity(first uint64) identity {
	return identity{Shard: sh.ID, Epoch: sh.Epoch, First: first}
}

func (sh *shard) sequence(n uint64) string { return sequence(sh.Epoch, n) }

// begin adds an empty segment whose first record has number n.
func (sh *shard) begin(n uint64) error {
	g, err := newSegment(sh.dir, sh.identity(n), sh.stream.o.Volatile, sh.stream.fail)
	if err != nil {
		return err
	}
	sh.segments = append(sh.segments, g)
	return nil
}

func (sh *shard) tail() *segment { return sh.segments[len(sh.segments)-1] }

// append stores the records at the given indexes and returns the first one's
// number. It acknowledges either all of these records, which are then on disk,
// or none.
func (sh *shard) append(records []types.PutRecordsRequestEntry, indexes []int) (first uint64, err error) {
	if err := sh.repair(); err != nil {
		return 0, err
	}
	w, err := sh.write(records, indexes)
	if err != nil {
		return 0, err
	}
	return w.first, sh.sync(w)
}

// written describes the records of one append.
type written struct {
	first, last uint64
	dropped     int // the shard's dropped count at that time
}

func (sh *shard) write(records []types.PutRecordsRequestEntry, indexes []int) (w written, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.broken != nil {
		return w, sh.broken
	}
	if sh.tail().size >= sh.stream.o.SegmentBytes {
		if err := sh.roll(); err != nil {
			return w, err
		}
	}
	tail := sh.tail()
	at := sh.stream.o.Clock.Now().UnixMilli()
	first := tail.next()
	for n, i := range indexes {
		tail.buffer(first+uint64(n), at, aws.ToString(records[i].PartitionKey), records[i].Data)
	}
	if err = sh.stream.fail("write", tail.path); err == nil {
		err = tail.flush()
	}
	if err != nil {
		if undo := tail.undo(); undo != nil {
			sh.broken = errors.Join(err, undo)
		}
		return w, err
	}
	return written{first, tail.next() - 1, sh.dropped}, nil
}

// roll completes the tail, syncs it and creates the next segment. If that
// fails, records continue to be appended to the tail and the next append tries
// again: a segment may exceed SegmentBytes.
func (sh *shard) roll() error {
	tail := sh.tail()
	if !sh.stream.o.Volatile {
		if err := tail.sync(sh.stream.fail); err != nil {
			sh.broken = err
			return err
		}
	}
	sh.durable = tail.next() - 1
	err := sh.begin(tail.next())
	if err != nil && !sh.rollFailed {
		sh.stream.note("could not create a new segment, continuing the previous one: " + err.Error())
	}
	sh.rollFailed = err != nil
	return nil
}

var errDropped = errors.New("not stored: the disk failed before the records were written")

// sync returns when the written records are on disk and the mark covers them.
// Concurrent calls share one fsync.
func (sh *shard) sync(w written) error {
	sh.syncing.Lock()
	defer sh.syncing.Unlock()
	sh.mu.Lock()
	tail, last, m := sh.tail(), sh.tail().next()-1, sh.markAt(sh.tail().next()-1)
	stale, done, broken := sh.dropped != w.dropped, sh.synced >= w.last, sh.broken
	sh.mu.Unlock()
	switch {
	case stale:
		return errDropped
	case done:
		return nil
	case broken != nil:
		return broken
	}
	var err error
	if !sh.stream.o.Volatile {
		err = tail.sync(sh.stream.fail)
	}
	if err == nil {
		sh.mu.Lock()
		sh.durable = max(sh.durable, last)
		sh.mu.Unlock()
		err = sh.mark.write(m)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err != nil {
		sh.broken = err
		return err
	}
	sh.synced = max(sh.synced, last)
	return sh.closeRolled()
}

// closeRolled closes the files of completed segments that are on disk. Readers
// open files themselves.
func (sh *shard) closeRolled() error {
	var errs []error
	for i := len(sh.segments) - 2; i >= 0 && sh.segments[i].file != nil; i-- {
		errs = append(errs, sh.segments[i].close())
	}
	return errors.Join(errs...)
}

// markAt returns the mark that covers the records up to number n.
func (sh *shard) markAt(n uint64) mark {
	m := mark{Shard: sh.ID, Epoch: sh.Epoch, Low: sh.low, Acked: n}
	for i := len(sh.segments) - 1; i >= 0; i-- {
		g := sh.segments[i]
		if n+1 < g.first {
			continue
		}
		if m.Segment, m.Size = g.first, segmentHeader; n >= g.first && n < g.next() {
			p := g.places[n-g.first]
			m.Size = p.at + int64(p.bytes)
		}
		break
	}
	return m
}

// read returns records after number n; last reports that no record follows
// them.
func (sh *shard) read(n uint64, limit int) (records []mapper.StreamRecord, last bool, err error) {
	sh.mu.Lock()
	b, synced, ok := block{}, sh.synced, false
	from := max(n+1, sh.segments[0].first)
	for i, g := range sh.segments {
		end := synced + 1
		if i+1 < len(sh.segments) {
			end = min(end, sh.segments[i+1].first)
		}
		if from >= end {
			continue
		}
		if err = sh.index(g, end); err != nil {
			break
		}
		if b, ok = g.locate(max(from, g.first), end, limit); ok {
			break
		}
	}
	sh.mu.Unlock()
	if err == nil && ok {
		records, err = sh.load(b)
	}
	sh.mu.Lock()
	sh.unreadable = err
	sh.mu.Unlock()
	if err != nil || !ok {
		return nil, err == nil, err
	}
	return records, sh.after(b.first+uint64(len(records))-1) == 0, nil
}

func (sh *shard) load(b block) ([]mapper.StreamRecord, error) {
	if err := sh.stream.fail("read", b.path); err != nil {
		return nil, err
	}
	raw, err := b.load()
	if err != nil {
		return nil, err
	}
	records := make([]mapper.StreamRecord, 0, len(raw))
	for _, r := range raw {
		records = append(records, mapper.StreamRecord{SequenceNumber: sh.sequence(r.number), PartitionKey: r.key, Data: r.data, Arrival: r.arrival()})
	}
	return records, nil
}

// after counts the readable records after number n.
func (sh *shard) after(n uint64) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n = max(n, sh.segments[0].first-1)
	if n >= sh.synced {
		return 0
	}
	left := sh.synced - n
	for _, m := range slices.Concat(sh.Missing, sh.Skipped) {
		if m.Last > n && m.First <= sh.synced {
			left -= min(m.Last, sh.synced) - max(m.First, n+1) + 1
		}
	}
	return int(left)
}

func (sh *shard) close() error {
	sh.syncing.Lock()
	defer sh.syncing.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	errs := []error{sh.mark.close()}
	for _, g := range sh.segments {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}

// trouble returns the error because of which the shard can't be written or read
// now, or nil.
func (sh *shard) trouble() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := errors.Join(sh.broken, sh.unreadable); err != nil {
		return fmt.Errorf("%s: %w", sh.ID, err)
	}
	return nil
}

// index determines the places of a segment's records on first use: when the
// stream was opened, all consumers had read the segment. The caller holds mu.
func (sh *shard) index(g *segment, end uint64) error {
	if g.indexed {
		return nil
	}
	content, err := os.ReadFile(g.path)
	if err != nil {
		return err
	}
	found := scan(content, segmentHeader, g.first, end)
	known := slices.Concat(sh.Missing, sh.Skipped)
	for _, m := range missingIn(found.places, g.first, end) {
		if rest := m.without(known); len(rest) > 0 {
			return fmt.Errorf("%s: records %d to %d: %w", g.path, rest[0].First, rest[0].Last, errDamaged)
		}
	}
	g.set(found, end)
	return nil
}

// arrivalAfter returns the arrival time of the first record after number n;
// zero if it can't be read.
func (sh *shard) arrivalAfter(n uint64) time.Time {
	sh.mu.Lock()
	b, ok := block{}, false
	for i, g := range sh.segments {
		end := sh.synced + 1
		if i+1 < len(sh.segments) {
			end = min(end, sh.segments[i+1].first)
		}
		if from := max(n+1, g.first); from < end && g.indexed && !ok {
			b, ok = g.locate(from, end, 1)
		}
	}
	sh.mu.Unlock()
	if !ok {
		return time.Time{}
	}
	head, err := readPart(b.path, b.from, headerBytes)
	if err != nil {
		return time.Time{} // reading the record reports the error
	}
	return record{millis: int64(binary.LittleEndian.Uint64(head[20:]))}.arrival()
}
