package stream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/durable"
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

	syncing sync.Mutex // held while the disk is waited for

	mu       sync.Mutex
	segments []*segment
	// synced is the last record that is on the disk. Readers see no later one:
	// after a crash of the machine its number may be another's.
	synced uint64
	// broken is why nothing more can be written: what the disk holds is not
	// known after it failed once.
	broken error
}

func openShard(s *Stream, e shardEntry) (*shard, error) {
	sh := &shard{shardEntry: e, stream: s, dir: filepath.Join(s.o.Dir, e.ID)}
	if err := os.MkdirAll(sh.dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(sh.dir) // sorted: names have the same length
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		first, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: not a segment", filepath.Join(sh.dir, entry.Name()))
		}
		sh.segments = append(sh.segments, &segment{path: filepath.Join(sh.dir, entry.Name()), first: first})
	}
	if n := len(sh.segments); n > 0 {
		last := sh.segments[n-1]
		if err := last.recover(); err != nil {
			return nil, err
		}
		sh.synced = last.next() - 1
		return sh, nil
	}
	return sh, sh.begin(1)
}

// begin adds an empty segment whose first record is numbered n.
func (sh *shard) begin(n uint64) error {
	g, err := newSegment(sh.dir, n)
	if err != nil {
		return err
	}
	if !sh.stream.o.Volatile {
		if err := durable.SyncDir(sh.dir); err != nil {
			return errors.Join(err, g.close())
		}
	}
	sh.segments = append(sh.segments, g)
	return nil
}

// append stores the records at the indexes and gives the first one's number.
// All of them are on the disk, or none is acknowledged.
func (sh *shard) append(records []types.PutRecordsRequestEntry, indexes []int) (first uint64, err error) {
	first, last, err := sh.write(records, indexes)
	if err != nil {
		return 0, err
	}
	return first, sh.sync(last)
}

func (sh *shard) write(records []types.PutRecordsRequestEntry, indexes []int) (first, last uint64, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.broken != nil {
		return 0, 0, sh.broken
	}
	tail := sh.segments[len(sh.segments)-1]
	if tail.size >= sh.stream.o.SegmentBytes {
		if err := sh.roll(tail); err != nil {
			sh.broken = err
			return 0, 0, err
		}
		tail = sh.segments[len(sh.segments)-1]
	}
	at := sh.stream.o.Now().UnixMilli()
	first = tail.next()
	for n, i := range indexes {
		tail.buffer(first+uint64(n), at, aws.ToString(records[i].PartitionKey), records[i].Data)
	}
	if err := tail.flush(); err != nil {
		if undo := tail.undo(); undo != nil {
			sh.broken = errors.Join(err, undo)
		}
		return 0, 0, err
	}
	return first, tail.next() - 1, nil
}

// roll ends the tail, which is on the disk from now on, and begins the next.
func (sh *shard) roll(tail *segment) error {
	if !sh.stream.o.Volatile {
		if err := tail.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", tail.path, err)
		}
	}
	sh.synced = tail.next() - 1
	return sh.begin(tail.next())
}

// sync returns when the record numbered n is on the disk. Those that wait at the
// same time share one wait.
func (sh *shard) sync(n uint64) error {
	sh.syncing.Lock()
	defer sh.syncing.Unlock()
	sh.mu.Lock()
	tail, last, done, broken := sh.segments[len(sh.segments)-1], uint64(0), sh.synced >= n, sh.broken
	last = tail.next() - 1
	sh.mu.Unlock()
	if done || broken != nil {
		return broken
	}
	var err error
	if !sh.stream.o.Volatile {
		err = tail.file.Sync()
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err != nil {
		sh.broken = fmt.Errorf("sync %s: %w", tail.path, err)
		return sh.broken
	}
	sh.synced = max(sh.synced, last)
	return nil
}

// read gives records after the one numbered n; last says that there is none
// after them.
func (sh *shard) read(n uint64, limit int) (records []mapper.Record, last bool, err error) {
	sh.mu.Lock()
	segments, synced := slices.Clone(sh.segments), sh.synced
	sh.mu.Unlock()
	from := max(n+1, segments[0].first)
	for i, g := range segments {
		end := synced + 1
		if i+1 < len(segments) {
			end = min(end, segments[i+1].first)
		}
		if from >= end {
			continue
		}
		records, err = sh.readSegment(g, from, min(end, from+uint64(limit)))
		if err != nil {
			return nil, false, err
		}
		return records, from+uint64(len(records)) > synced, nil
	}
	return nil, from > synced, nil
}

func (sh *shard) readSegment(g *segment, from, end uint64) ([]mapper.Record, error) {
	sh.mu.Lock()
	block, err := g.locate(from, end)
	sh.mu.Unlock()
	if err != nil {
		return nil, err
	}
	raw, err := block.load()
	if err != nil {
		return nil, err
	}
	records := make([]mapper.Record, 0, len(raw))
	for _, r := range raw {
		records = append(records, mapper.Record{SequenceNumber: sh.stream.sequence(r.number), PartitionKey: r.key, Data: r.data, Arrival: r.arrival()})
	}
	return records, nil
}

// after counts the records after the one numbered n.
func (sh *shard) after(n uint64) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n = max(n, sh.segments[0].first-1)
	if n >= sh.synced {
		return 0
	}
	return int(sh.synced - n)
}

func (sh *shard) close() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var errs []error
	for _, g := range sh.segments {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}
