// Package stream is a durable sharded log in a folder. It replaces Kinesis for
// ingest and the mapper on one machine. Acknowledged records survive a crash of
// the program and of the machine. Damage to the files is detected when the
// stream is opened, and no sequence number is assigned twice.
package stream

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
)

// MaxRecord is the maximum size of a record's key and data, in bytes.
const MaxRecord = 1 << 20

// Options configure a stream.
type Options struct {
	// Dir is the stream's folder; it is created if missing.
	Dir string
	// Shards is the number of shards that accept records, 1 to 200. If it
	// differs from the folder's number, the old shards are closed and new ones
	// opened.
	Shards int
	// Volatile writes without waiting for the disk: a crash of the machine
	// loses records, a crash of the program does not.
	Volatile bool
	// SegmentBytes is the size at which a shard starts a new file; 0 means 32
	// MiB.
	SegmentBytes int64
	// Consumers are the consumers whose checkpoints are compared with the
	// stream. Damage to records that all consumers have read is harmless. Without
	// consumers no record counts as read.
	Consumers []Consumer
	// AcceptDamage opens a damaged stream without the records that can't be
	// read, and makes Accepted list the damage.
	AcceptDamage bool
	// Report receives the damage before it is accepted; if it returns an error,
	// the records stay as they are. It may be nil.
	Report func([]Damage) error
	// Clock gives the arrival times.
	Clock pause.Clock
	// Note receives a sentence about each repair and each failure that the
	// stream works around; it may be nil.
	Note func(string)
}

// Consumer is a consumer of the stream with its checkpoints.
type Consumer struct {
	// File is the checkpoints' file, for messages.
	File string
	// At is the last handled sequence number by shard.
	At map[string]string
}

// Stream is an open log. It is safe for concurrent use by one process.
type Stream struct {
	o        Options
	accepted []Damage
	fail     func(op, path string) error // replaced in tests

	mu     sync.RWMutex // guards shards, not their content
	shards []*shard
}

// Accepted lists the damage that was accepted when the stream was opened.
func (s *Stream) Accepted() []Damage { return s.accepted }

// Missing counts the accepted records that were lost through damage, now or
// earlier.
func (s *Stream) Missing() (records uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		for _, m := range sh.Missing {
			records += m.count()
		}
	}
	return records
}

// Troubles returns an error for each shard that can't be written or read now.
func (s *Stream) Troubles() (errs []error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		if err := sh.trouble(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (s *Stream) note(text string) {
	if s.o.Note != nil {
		s.o.Note(text)
	}
}

// Close closes the files. All acknowledged records are on disk.
func (s *Stream) Close() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var errs []error
	for _, sh := range s.shards {
		errs = append(errs, sh.close())
	}
	return errors.Join(errs...)
}

// Shards lists the shards, including closed ones that still hold records.
func (s *Stream) Shards(context.Context) ([]mapper.Shard, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]mapper.Shard, len(s.shards))
	for i, sh := range s.shards {
		out[i] = mapper.Shard{ID: sh.ID, Parents: sh.Parents}
	}
	return out, nil
}

// PutRecords stores records and acknowledges each one that is on disk, with a
// result per record as in Kinesis.
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

// put stores the records of a shard and sets their results.
func (s *Stream) put(sh *shard, records []types.PutRecordsRequestEntry, indexes []int, results []types.PutRecordsResultEntry) {
	first, err := sh.append(records, indexes)
	for n, i := range indexes {
		if err != nil {
			results[i] = types.PutRecordsResultEntry{ErrorCode: aws.String("InternalFailure"), ErrorMessage: aws.String(err.Error())}
			continue
		}
		results[i] = types.PutRecordsResultEntry{SequenceNumber: aws.String(sh.sequence(first + uint64(n))), ShardId: aws.String(sh.ID)}
	}
}

// shardOf returns the shard that accepts a key.
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

// counterDigits is the number of trailing digits of a sequence number that hold
// the shard's counter.
const counterDigits = 12

func sequence(epoch int64, n uint64) string { return fmt.Sprintf("%d%0*d", epoch, counterDigits, n) }

// split splits a sequence number into epoch and counter.
func split(sequence string) (epoch int64, n uint64, err error) {
	at := len(sequence) - counterDigits
	if at > 0 {
		epoch, err = strconv.ParseInt(sequence[:at], 10, 64)
		if err == nil {
			n, err = strconv.ParseUint(sequence[at:], 10, 64)
		}
	}
	if at <= 0 || err != nil || epoch <= 0 || strings.HasPrefix(sequence, "+") {
		return 0, 0, fmt.Errorf("%q is not a sequence number", sequence)
	}
	return epoch, n, nil
}

// counter returns the counter of one of the shard's sequence numbers; 0, which
// is before the first record, if sequence is empty.
func (e shardEntry) counter(sequence string) (uint64, error) {
	if sequence == "" {
		return 0, nil
	}
	epoch, n, err := split(sequence)
	if err != nil {
		return 0, err
	}
	if epoch != e.Epoch {
		return 0, fmt.Errorf("sequence number %s does not belong to %s", sequence, e.ID)
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
	return nil, fmt.Errorf("shard %s: not found", id)
}

// Has reports whether a sequence number can be a checkpoint of the shard.
func (s *Stream) Has(id, sequence string) bool {
	sh, err := s.shard(id)
	if err != nil {
		return false
	}
	_, err = sh.counter(sequence)
	return err == nil
}

// Read returns up to limit records after a sequence number, and at most about
// 10 MB. ended reports that the shard is closed and holds no more records.
func (s *Stream) Read(_ context.Context, id, after string, limit int) (records []mapper.StreamRecord, ended bool, err error) {
	sh, err := s.shard(id)
	if err != nil {
		return nil, false, err
	}
	n, err := sh.counter(after)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", id, err)
	}
	records, last, err := sh.read(n, limit)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", id, err)
	}
	return records, sh.Closed && last, nil
}

// Unread returns the number of records after the checkpoints, over all shards,
// and the arrival of the oldest; zero if every record is handled or it can't be read.
func (s *Stream) Unread(checkpoints map[string]string) (records int, oldest time.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		n, err := sh.counter(checkpoints[sh.ID])
		if err != nil {
			n = 0 // the consumer has not read this stream
		}
		left := sh.after(n)
		if left == 0 {
			continue
		}
		records += left
		if at := sh.arrivalAfter(n); !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return records, oldest
}
