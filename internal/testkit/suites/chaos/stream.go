package chaos

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/mapper"
)

// Stream is an in-memory sharded log, which replaces Kinesis for ingest and the
// mapper.
type Stream struct {
	clock *Clock

	mu     sync.Mutex
	random *rand.Rand
	shards []*shard
	next   int64
	// trouble is the percentage of failing calls.
	trouble int
	// whole makes each read return as many records as possible.
	whole bool
}

// shard accepts the keys whose hash is from low to high, inclusive.
type shard struct {
	mapper.Shard
	low, high uint32
	closed    bool
	records   []mapper.StreamRecord
	index     map[string]int // by sequence number
}

// NewStream returns a stream of n shards.
func NewStream(clock *Clock, random *rand.Rand, n int) *Stream {
	s := &Stream{clock: clock, random: random}
	step := (1 << 32) / uint64(n)
	for i := range n {
		high := uint64(i+1)*step - 1
		if i == n-1 {
			high = 1<<32 - 1
		}
		s.open(uint32(uint64(i)*step), uint32(high))
	}
	return s
}

func (s *Stream) open(low, high uint32, parents ...string) {
	s.shards = append(s.shards, &shard{
		Shard: mapper.Shard{ID: fmt.Sprintf("shardId-%012d", len(s.shards)), Parents: parents},
		low:   low, high: high, index: map[string]int{},
	})
}

// PutRecords stores records. With trouble, a record may be rejected, or the
// response may be lost after everything was stored.
func (s *Stream) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &kinesis.PutRecordsOutput{}
	for _, r := range in.Records {
		if s.random.IntN(100) < s.trouble {
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("slow down")})
			continue
		}
		sequence := s.put(aws.ToString(r.PartitionKey), r.Data)
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String(sequence)})
	}
	if s.random.IntN(100) < s.trouble {
		return nil, errors.New("the response was lost")
	}
	return out, nil
}

// Put stores one record with any content.
func (s *Stream) Put(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, data)
}

func (s *Stream) put(key string, data []byte) (sequence string) {
	sum := md5.Sum([]byte(key)) // like Kinesis
	hash := binary.BigEndian.Uint32(sum[:])
	for _, sh := range s.shards {
		if sh.closed || hash < sh.low || hash > sh.high {
			continue
		}
		s.next++
		sequence = fmt.Sprintf("4966%052d", s.next)
		sh.index[sequence] = len(sh.records)
		sh.records = append(sh.records, mapper.StreamRecord{
			SequenceNumber: sequence, PartitionKey: key, Data: slices.Clone(data), Arrival: s.clock.Now().Truncate(time.Millisecond),
		})
		return sequence
	}
	return ""
}

// Reshard splits an open shard, or merges two neighbors.
func (s *Stream) Reshard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []*shard
	for _, sh := range s.shards {
		if !sh.closed {
			open = append(open, sh)
		}
	}
	slices.SortFunc(open, func(a, b *shard) int { return int(int64(a.low) - int64(b.low)) })
	if len(open) > 2 && s.random.IntN(2) == 0 {
		i := s.random.IntN(len(open) - 1)
		a, b := open[i], open[i+1]
		a.closed, b.closed = true, true
		s.open(a.low, b.high, a.ID, b.ID)
		return
	}
	sh := open[s.random.IntN(len(open))]
	sh.closed = true
	middle := sh.low + (sh.high-sh.low)/2
	s.open(sh.low, middle, sh.ID)
	s.open(middle+1, sh.high, sh.ID)
}

// SetTrouble sets the percentage of failing puts.
func (s *Stream) SetTrouble(percent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = percent
}

// WholeReads makes each later read return as many records as possible.
func (s *Stream) WholeReads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = true
}

// Shards lists all shards, including closed ones.
func (s *Stream) Shards(context.Context) ([]mapper.Shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mapper.Shard
	for _, sh := range s.shards {
		out = append(out, sh.Shard)
	}
	return out, nil
}

// Read returns records after a sequence number, usually fewer than it could.
func (s *Stream) Read(_ context.Context, id, after string, limit int) ([]mapper.StreamRecord, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.find(id)
	begin := 0
	if after != "" {
		begin = sh.index[after] + 1
	}
	size := limit
	if !s.whole {
		size = 1 + s.random.IntN(limit)
	}
	end := min(begin+size, len(sh.records))
	return slices.Clone(sh.records[begin:end]), sh.closed && end == len(sh.records), nil
}

func (s *Stream) find(id string) *shard {
	return s.shards[slices.IndexFunc(s.shards, func(sh *shard) bool { return sh.ID == id })]
}

// Records returns a copy of all records by shard.
func (s *Stream) Records() map[string][]mapper.StreamRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]mapper.StreamRecord{}
	for _, sh := range s.shards {
		out[sh.ID] = slices.Clone(sh.records)
	}
	return out
}

// Rewind returns checkpoints up to most records before the given ones, as after
// recreating a mapping.
func (s *Stream) Rewind(checkpoints map[string]string, most int) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, sh := range s.shards {
		sequence, ok := checkpoints[sh.ID]
		if !ok {
			continue
		}
		if at := sh.index[sequence] - s.random.IntN(most+1); at >= 0 {
			out[sh.ID] = sh.records[at].SequenceNumber
		}
	}
	return out
}

// Behind returns the shards whose checkpoint is not at their end, with the
// number of records after it.
func (s *Stream) Behind(checkpoints map[string]string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	behind := map[string]int{}
	for _, sh := range s.shards {
		if n := len(sh.records); n > 0 && checkpoints[sh.ID] != sh.records[n-1].SequenceNumber {
			behind[sh.ID] = n
			if at, ok := sh.index[checkpoints[sh.ID]]; ok {
				behind[sh.ID] = n - at - 1
			}
		}
	}
	return behind
}
