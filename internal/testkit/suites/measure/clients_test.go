package measure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	testredis "github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
)

// shard is a stream of one shard, in memory.
type shard struct {
	records []events.KinesisEventRecord
	last    int
}

// PutRecords implements ingest's stream.
func (s *shard) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out := &kinesis.PutRecordsOutput{FailedRecordCount: aws.Int32(0)}
	for _, r := range in.Records {
		s.last++
		sequence := fmt.Sprintf("49%018d", s.last)
		s.records = append(s.records, delivered(0, sequence, aws.ToString(r.PartitionKey), r.Data, time.Now()))
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: &sequence, ShardId: aws.String("shardId-000000000000")})
	}
	return out, nil
}

// take returns the records since the last call, as Lambda delivers them.
func (s *shard) take(b *testing.B) batch {
	b.Helper()
	out := batch{payload: must(b)(json.Marshal(events.KinesisEvent{Records: s.records}))}
	s.records = nil
	return out
}

// way returns the way of new events of our own format into PostgreSQL: requests of a
// hundred events, and one invocation of the processor.
func way(b *testing.B, s site, env contract.Ingest) func(bodies [][]byte) time.Duration {
	b.Helper()
	stream := &shard{}
	accept := ingest.New(env, ingest.Deps{Stream: stream, Metrics: &emf.Writer{Out: io.Discard, Stack: "bench"}, Log: slog.New(slog.DiscardHandler)})
	invoke := s.invocation(b)
	return func(bodies [][]byte) time.Duration {
		begun := time.Now()
		for _, body := range bodies {
			answer, err := accept.Handle(b.Context(), events.APIGatewayProxyRequest{HTTPMethod: http.MethodPost, Path: "/events",
				Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body)})
			if err != nil || answer.StatusCode != http.StatusAccepted {
				b.Fatal(answer.StatusCode, answer.Body, err)
			}
		}
		invoke(stream.take(b))
		return time.Since(begun)
	}
}

// BenchmarkWriteKeys compares the whole way of events of our own format into PostgreSQL in a
// stack with write keys and in one without.
func BenchmarkWriteKeys(b *testing.B) {
	const perRequest = 100
	src := startSource()
	client := testredis.Client(b, testredis.Start(b))
	plain, keyed := newSite(b, src.from, client, declared()...), newSite(b, src.from, client, declared()...)
	env := contract.Ingest{Stream: "events", EventMaxAgeDays: 30}
	without := way(b, plain, env)
	for range 20 {
		_, hash := contract.NewWriteKey()
		env.WriteKeys = append(env.WriteKeys, contract.WriteKey{Name: fmt.Sprint("key", len(env.WriteKeys)), Hash: hash, Origins: []string{"https://www.example.com"}, Rate: 50})
	}
	with := way(b, keyed, env)
	seed := uint64(0)
	bodies := func() (out [][]byte) {
		seed++
		g := workload.New(seed, src.from, eventTime)
		for range batchEvents / perRequest {
			out = append(out, g.Body(perRequest))
		}
		return out
	}
	first := bodies()
	without(first)
	with(first)
	var ours, theirs []time.Duration
	for b.Loop() {
		// In the order without, with, with, without, a slower or faster machine affects both.
		in, next := bodies(), bodies()
		a, c := without(in), with(in)
		c += with(next)
		a += without(next)
		ours, theirs = append(ours, a/2), append(theirs, c/2)
	}
	bench.Report(b, "ingest",
		bench.Figure{Name: "request to PostgreSQL, 2,000 events, without write keys", Unit: "ms", Samples: bench.Milliseconds(ours)},
		bench.Figure{Name: "the same with 20 write keys", Unit: "ms", Samples: bench.Milliseconds(theirs)},
		bench.Figure{Name: "throughput with write keys beside without", Samples: bench.Ratios(ours, theirs), Goal: 0.95, AtLeast: true},
	)
}
