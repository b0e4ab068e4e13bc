package mapper

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// KinesisAPI is the part of Kinesis that reading needs; *kinesis.Client
// satisfies it.
type KinesisAPI interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Kinesis reads a Kinesis stream.
type Kinesis struct {
	api    KinesisAPI
	stream string

	mu        sync.Mutex
	iterators map[string]iterator // by shard
}

// iterator is the position after the last read of a shard.
type iterator struct{ after, next string }

// NewKinesis returns a source that reads the named stream.
func NewKinesis(api KinesisAPI, stream string) *Kinesis {
	return &Kinesis{api: api, stream: stream, iterators: map[string]iterator{}}
}

// Shards lists every shard, including closed ones that still hold records.
func (k *Kinesis) Shards(ctx context.Context) ([]Shard, error) {
	var out []Shard
	in := &kinesis.ListShardsInput{StreamName: aws.String(k.stream)}
	for {
		page, err := k.api.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list shards: %w", err)
		}
		for _, s := range page.Shards {
			shard := Shard{ID: aws.ToString(s.ShardId)}
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if parent != nil {
					shard.Parents = append(shard.Parents, *parent)
				}
			}
			out = append(out, shard)
		}
		if page.NextToken == nil {
			return out, nil
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
}

// Read returns records after a sequence number. It reuses the previous read's
// iterator if possible.
func (k *Kinesis) Read(ctx context.Context, shard, after string, limit int) ([]StreamRecord, bool, error) {
	at, err := k.iterator(ctx, shard, after)
	if err != nil {
		return nil, false, err
	}
	out, err := k.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String(at), Limit: aws.Int32(int32(limit))})
	if err != nil {
		k.forget(shard)
		var expired *types.ExpiredIteratorException
		if errors.As(err, &expired) {
			return nil, false, nil // the next read requests a new iterator
		}
		return nil, false, fmt.Errorf("get records of %s: %w", shard, err)
	}
	records := make([]StreamRecord, 0, len(out.Records))
	for _, r := range out.Records {
		records = append(records, StreamRecord{
			SequenceNumber: aws.ToString(r.SequenceNumber), PartitionKey: aws.ToString(r.PartitionKey),
			Data: r.Data, Arrival: aws.ToTime(r.ApproximateArrivalTimestamp),
		})
		after = aws.ToString(r.SequenceNumber)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.iterators[shard] = iterator{after: after, next: aws.ToString(out.NextShardIterator)}
	return records, out.NextShardIterator == nil, nil
}

func (k *Kinesis) forget(shard string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.iterators, shard)
}

func (k *Kinesis) iterator(ctx context.Context, shard, after string) (string, error) {
	k.mu.Lock()
	known, ok := k.iterators[shard]
	k.mu.Unlock()
	if ok && known.after == after && known.next != "" {
		return known.next, nil
	}
	in := &kinesis.GetShardIteratorInput{
		StreamName: aws.String(k.stream), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if after != "" {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(after)
	}
	out, err := k.api.GetShardIterator(ctx, in)
	if err != nil {
		return "", fmt.Errorf("get iterator of %s: %w", shard, err)
	}
	return aws.ToString(out.ShardIterator), nil
}
