package ingestload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/event"
)

// Kinesis' limits.
const (
	maxRecords     = 500
	maxRecordBytes = 1 << 20
	maxCallBytes   = 5 << 20
	maxKeyRunes    = 256
)

// identity identifies an event.
type identity struct{ id, at string }

func identityOf(e event.Event) identity {
	return identity{e.ID.String(), string(event.AppendTime(nil, e.Timestamp))}
}

// stream implements PutRecords with frequent faults: it throttles 30 of 100
// records and fails 5, half of these after storing them; it fails 4 of 100
// calls, half of these after storing everything.
type stream struct {
	t        *testing.T
	random   *rand.Rand
	shards   [3][]events.KinesisEventRecord
	sequence int
	stored   map[identity]int
	// counters
	calls, callsFailed, callsLost, throttled, failed int
}

func (s *stream) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	s.check(in)
	s.calls++
	switch n := s.random.IntN(100); {
	case n < 2:
		s.callsFailed++
		return nil, errors.New("dial tcp: connection refused")
	case n < 4:
		s.callsLost++
		for _, r := range in.Records {
			s.store(r)
		}
		return nil, errors.New("read tcp: connection reset by peer")
	}
	out := &kinesis.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records)), FailedRecordCount: new(int32)}
	for i, r := range in.Records {
		result := &out.Records[i]
		switch n := s.random.IntN(100); {
		case n < 30:
			s.throttled++
			*out.FailedRecordCount++
			result.ErrorCode = aws.String("ProvisionedThroughputExceededException")
			result.ErrorMessage = aws.String("Rate exceeded for shard shardId-000000000000 in stream events under account 123456789012.")
		case n < 35:
			s.failed++
			*out.FailedRecordCount++
			result.ErrorCode, result.ErrorMessage = aws.String("InternalFailure"), aws.String("Internal Service Failure")
			if s.random.IntN(2) == 0 {
				s.store(r)
			}
		default:
			shard, sequence := s.store(r)
			result.ShardId, result.SequenceNumber = aws.String(shard), aws.String(sequence)
		}
	}
	return out, nil
}

// check compares a call with Kinesis' limits.
func (s *stream) check(in *kinesis.PutRecordsInput) {
	size := 0
	for _, r := range in.Records {
		n := len(r.Data) + len(*r.PartitionKey)
		if size += n; n > maxRecordBytes || len(r.Data) == 0 {
			s.t.Errorf("a record has %d bytes", n)
		}
		if n := len([]rune(*r.PartitionKey)); n < 1 || n > maxKeyRunes {
			s.t.Errorf("a partition key has %d characters", n)
		}
	}
	if n := len(in.Records); n < 1 || n > maxRecords || size > maxCallBytes {
		s.t.Errorf("a call has %d records of %d bytes", n, size)
	}
}

func (s *stream) store(r types.PutRecordsRequestEntry) (shard, sequence string) {
	hash := fnv.New32a()
	hash.Write([]byte(*r.PartitionKey))
	n := int(hash.Sum32()) % len(s.shards)
	s.sequence++
	shard, sequence = "shardId-00000000000"+strconv.Itoa(n), fmt.Sprintf("49%012d", s.sequence)
	var record events.KinesisEventRecord
	record.EventID = shard + ":" + sequence
	record.Kinesis.SequenceNumber, record.Kinesis.PartitionKey = sequence, *r.PartitionKey
	record.Kinesis.ApproximateArrivalTimestamp.Time = noon.Add(time.Second)
	record.Kinesis.Data = bytes.Clone(r.Data)
	s.shards[n] = append(s.shards[n], record)
	for _, line := range event.Lines(r.Data) {
		e, err := event.DecodeEnvelope(line)
		if err != nil || e.Event.UserID != *r.PartitionKey {
			s.t.Errorf("record of %s: %s: %v", *r.PartitionKey, line, err)
			continue
		}
		s.stored[identityOf(e.Event)]++
	}
	return shard, sequence
}
