// Package stream is a durable sharded log in a folder: Kinesis for ingest and
// for the mapper, on one machine. What is acknowledged survives a crash of the
// program and of the machine; sequence numbers are never given twice.
package stream

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/durable"
	"github.com/streamctl/streamctl/internal/local/mapper"
)

// MaxRecord is the most that a record's key and data may have, in bytes.
const MaxRecord = 1 << 20

// Options describe a stream.
type Options struct {
	// Dir is the stream's folder; it is made when missing.
	Dir string
	// Shards is how many take new records, 1 to 200. With another number than
	// the folder was made with, the old shards are closed and new ones opened.
	Shards int
	// Volatile writes without waiting for the disk: a crash of the machine
	// loses records, one of the program doesn't.
	Volatile bool
	// SegmentBytes is when a shard begins a new file; 0 means 32 MiB.
	SegmentBytes int64
	// Now is the clock of arrivals, time.Now when nil.
	Now func() time.Time
}

// Stream is an open log. It may be used concurrently, by one process at a time.
type Stream struct {
	o Options
	// epoch begins every sequence number: when the log was made, in
	// milliseconds, so that a log made anew never repeats those of another.
	epoch int64

	mu     sync.RWMutex // guards the list, not the shards
	shards []*shard
}

// description is what the folder says of itself.
type description struct {
	Epoch  int64        `json:"epoch"`
	Shards []shardEntry `json:"shards"`
}

// shardEntry is a shard in the description: it takes the keys whose hash lies
// from Low to High, both included.
type shardEntry struct {
	ID      string   `json:"id"`
	Parents []string `json:"parents,omitempty"`
	Low     uint32   `json:"low"`
	High    uint32   `json:"high"`
	Closed  bool     `json:"closed,omitempty"`
}

// Open opens the stream of a folder. Close closes it.
func Open(o Options) (*Stream, error) {
	if o.Shards < 1 || o.Shards > 200 {
		return nil, fmt.Errorf("open stream: %d shards are outside 1..200", o.Shards)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s := &Stream{o: o}
	d, err := s.describe()
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s.epoch = d.Epoch
	for _, e := range d.Shards {
		sh, err := openShard(s, e)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open stream: %w", err), s.Close())
		}
		s.shards = append(s.shards, sh)
	}
	return s, nil
}

// describe reads the description, and brings it to the wanted number of shards.
func (s *Stream) describe() (d description, err error) {
	path := filepath.Join(s.o.Dir, "stream.json")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		d.Epoch = s.o.Now().UnixMilli()
	case err != nil:
		return d, err
	default:
		if err := json.Unmarshal(text, &d); err != nil {
			return d, fmt.Errorf("read %s: %w", path, err)
		}
	}
	var open []string
	for _, e := range d.Shards {
		if !e.Closed {
			open = append(open, e.ID)
		}
	}
	if len(open) == s.o.Shards {
		return d, nil
	}
	for i := range d.Shards {
		d.Shards[i].Closed = true
	}
	first := 0
	if n := len(d.Shards); n > 0 {
		if first, err = strconv.Atoi(strings.TrimPrefix(d.Shards[n-1].ID, "shardId-")); err != nil {
			return d, fmt.Errorf("read %s: %w", path, err)
		}
		first++
	}
	step := (1 << 32) / uint64(s.o.Shards)
	for i := range s.o.Shards {
		e := shardEntry{ID: fmt.Sprintf("shardId-%012d", first+i), Parents: open, Low: uint32(uint64(i) * step), High: uint32(uint64(i+1)*step - 1)}
		if i == s.o.Shards-1 {
			e.High = 1<<32 - 1
		}
		d.Shards = append(d.Shards, e)
	}
	return d, s.save(d)
}

// save replaces the description.
func (s *Stream) save(d description) error {
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write description: %w", err)
	}
	return durable.WriteFile(filepath.Join(s.o.Dir, "stream.json"), text, 0o600)
}

// Close closes the files; what was acknowledged is on the disk.
func (s *Stream) Close() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var errs []error
	for _, sh := range s.shards {
		errs = append(errs, sh.close())
	}
	return errors.Join(errs...)
}

// Shards lists the shards, closed ones that still hold records included.
func (s *Stream) Shards(context.Context) ([]mapper.Shard, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]mapper.Shard, len(s.shards))
	for i, sh := range s.shards {
		out[i] = mapper.Shard{ID: sh.ID, Parents: sh.Parents}
	}
	return out, nil
}

// PutRecords stores records and acknowledges those that are on the disk, as
// Kinesis does: each has a result of its own.
func (s *Stream) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	results := make([]types.PutRecordsResultEntry, len(in.Records))
	parts := map[*shard][]int{}
	for i, r := range in.Records {
		if n := len(aws.ToString(r.PartitionKey)) + len(r.Data); n > MaxRecord {
			return nil, &types.InvalidArgumentException{Message: aws.String(fmt.Sprintf("record %d has %d bytes, at most %d are allowed", i, n, MaxRecord))}
		}
		sh := s.shardOf(aws.ToString(r.PartitionKey))
		parts[sh] = append(parts[sh], i)
	}
	var wg sync.WaitGroup
	for sh, indexes := range parts {
		wg.Go(func() { s.put(sh, in.Records, indexes, results) })
	}
	wg.Wait()
	out := &kinesis.PutRecordsOutput{Records: results, FailedRecordCount: aws.Int32(0)}
	for _, r := range results {
		if r.ErrorCode != nil {
			*out.FailedRecordCount++
		}
	}
	return out, nil
}

// put stores the records of a shard and fills in their results.
func (s *Stream) put(sh *shard, records []types.PutRecordsRequestEntry, indexes []int, results []types.PutRecordsResultEntry) {
	first, err := sh.append(records, indexes)
	for n, i := range indexes {
		if err != nil {
			results[i] = types.PutRecordsResultEntry{ErrorCode: aws.String("InternalFailure"), ErrorMessage: aws.String(err.Error())}
			continue
		}
		results[i] = types.PutRecordsResultEntry{SequenceNumber: aws.String(s.sequence(first + uint64(n))), ShardId: aws.String(sh.ID)}
	}
}

// shardOf finds the shard that takes a key.
func (s *Stream) shardOf(key string) *shard {
	sum := md5.Sum([]byte(key)) // as Kinesis does
	hash := binary.BigEndian.Uint32(sum[:])
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		if !sh.Closed && hash >= sh.Low && hash <= sh.High {
			return sh
		}
	}
	return s.shards[len(s.shards)-1] // the ranges have no gap
}

// counterDigits are the last digits of a sequence number, a shard's counter.
const counterDigits = 12

func (s *Stream) sequence(n uint64) string { return fmt.Sprintf("%d%0*d", s.epoch, counterDigits, n) }

// counter reads a sequence number; the empty one is before the first.
func (s *Stream) counter(sequence string) (uint64, error) {
	if sequence == "" {
		return 0, nil
	}
	rest, ok := strings.CutPrefix(sequence, strconv.FormatInt(s.epoch, 10))
	n, err := strconv.ParseUint(rest, 10, 64)
	if !ok || len(rest) != counterDigits || err != nil {
		return 0, fmt.Errorf("sequence number %q is not of this stream", sequence)
	}
	return n, nil
}

func (s *Stream) shard(id string) (*shard, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		if sh.ID == id {
			return sh, nil
		}
	}
	return nil, fmt.Errorf("shard %s: not there", id)
}

// Read gives up to limit records after a sequence number, and at most about
// 10 MB; ended says that the shard is closed and holds nothing more.
func (s *Stream) Read(_ context.Context, id, after string, limit int) (records []mapper.Record, ended bool, err error) {
	sh, err := s.shard(id)
	if err != nil {
		return nil, false, err
	}
	n, err := s.counter(after)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", id, err)
	}
	records, last, err := sh.read(n, limit)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", id, err)
	}
	return records, sh.Closed && last, nil
}

// Unread counts, over all shards, the records after the checkpoints.
func (s *Stream) Unread(checkpoints map[string]string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	total := 0
	for _, sh := range s.shards {
		n, err := s.counter(checkpoints[sh.ID])
		if err != nil {
			n = 0 // nothing of this stream was read
		}
		total += sh.after(n)
	}
	return total
}
