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

// maxRead is the most that one read gives, in bytes, but for one record.
const maxRead = 10 << 20

// shard is a folder of segments, of which the last is written to. Its records
// are numbered from 1.
type shard struct {
	shardEntry
	stream *Stream
	dir    string

	syncing sync.Mutex // held while the disk is waited for; taken before mu
	mark    *markWriter
	low     uint64 // the mark's, guarded by syncing
	changed bool   // the description has to be saved

	mu       sync.Mutex
	segments []*segment
	// durable is the last record whose bytes are on the disk.
	durable uint64
	// synced is the last record that the mark on the disk covers. Readers see no
	// later one: after a crash of the machine its number may be another's.
	synced uint64
	// broken is why nothing can be written until repair succeeds: after a failed
	// write the disk's content is unknown.
	broken error
	// dropped counts repairs. A repair drops records that were not acknowledged,
	// and gives their numbers to others.
	dropped  int
	repairAt time.Time
	// rollFailed bounds the notes about it.
	rollFailed bool
	// unreadable is why the last read failed.
	unreadable error
}

func (sh *shard) identity(first uint64) identity {
	return identity{Shard: sh.ID, Epoch: sh.Epoch, First: first}
}

func (sh *shard) sequence(n uint64) string { return sequence(sh.Epoch, n) }

// begin adds an empty segment whose first record is numbered n.
func (sh *shard) begin(n uint64) error {
	g, err := newSegment(sh.dir, sh.identity(n), sh.stream.o.Volatile, sh.stream.fail)
	if err != nil {
		return err
	}
	sh.segments = append(sh.segments, g)
	return nil
}

func (sh *shard) tail() *segment { return sh.segments[len(sh.segments)-1] }

// append stores the records at the indexes and gives the first one's number.
// All of them are on the disk, or none is acknowledged.
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

// written is what one append wrote.
type written struct {
	first, last uint64
	dropped     int // the shard's count at that time
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

// roll ends the tail, which is on the disk from now on, and begins the next. If
// the next can't be begun, records go on into the tail, and the next append
// tries again: a segment may be longer than SegmentBytes.
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
		sh.stream.note("new segment not begun, the one before it is continued: " + err.Error())
	}
	sh.rollFailed = err != nil
	return nil
}

var errDropped = errors.New("not stored: the disk failed before the records were on it")

// sync returns when what was written is on the disk and the mark covers it.
// Those that wait at the same time share one wait.
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

// closeRolled closes the files of segments that are complete and on the disk.
// Readers open files themselves.
func (sh *shard) closeRolled() error {
	var errs []error
	for i := len(sh.segments) - 2; i >= 0 && sh.segments[i].file != nil; i-- {
		errs = append(errs, sh.segments[i].close())
	}
	return errors.Join(errs...)
}

// markAt is the mark that covers the records up to the one numbered n.
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

// read gives records after the one numbered n; last says that there is none
// after them.
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

// after counts the records after the one numbered n that can be read.
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

// trouble is why the shard can't be written or read at the moment; nil if it can.
func (sh *shard) trouble() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := errors.Join(sh.broken, sh.unreadable); err != nil {
		return fmt.Errorf("%s: %w", sh.ID, err)
	}
	return nil
}

// index finds out where a segment's records are, the first time it is read: when
// the stream was opened, all consumers had read it. The caller holds mu.
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

// arrivalAfter is the arrival of the first record after the one numbered n; zero
// if it can't be read.
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
		return time.Time{} // reading the record reports it
	}
	return record{millis: int64(binary.LittleEndian.Uint64(head[20:]))}.arrival()
}
