//go:build unix

package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
)

// swallowing acknowledges everything at almost no cost.
type swallowing struct{ out kinesis.PutRecordsOutput }

func newSwallowing(records int) *swallowing {
	s := &swallowing{}
	for range records {
		s.out.Records = append(s.out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String("1"), ShardId: aws.String("s")})
	}
	return s
}

func (s *swallowing) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	return &kinesis.PutRecordsOutput{Records: s.out.Records[:len(in.Records)]}, nil
}

// processorTime returns the CPU time that this process has used so far,
// including the garbage collector.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkBatch handles batches of 100 events from body to response. Goal: 3
// µs of CPU time per event.
func BenchmarkBatch(b *testing.B) {
	const batch = 100
	g := workload.New(1, now.Add(-time.Hour), time.Hour)
	requests := make([]events.APIGatewayProxyRequest, 16)
	for i := range requests {
		requests[i] = request(string(g.Body(batch)))
	}
	h := handler(nil, metrics{})
	h.Stream = newSwallowing(batch)
	b.ReportAllocs()
	n, before := 0, processorTime(b)
	for b.Loop() {
		resp, err := h.Handle(b.Context(), requests[n%len(requests)])
		if err != nil || resp.StatusCode != 202 {
			b.Fatal(resp.StatusCode, err)
		}
		n++
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(n*batch), "cpu-ns/event")
}

// BenchmarkClients handles batches of 100 messages of Segment's API beside BenchmarkBatch.
func BenchmarkClients(b *testing.B) {
	const batch = 100
	g := workload.New(1, now.Add(-time.Hour), time.Hour)
	requests := make([]events.APIGatewayProxyRequest, 16)
	for i := range requests {
		var list []map[string]any
		if err := json.Unmarshal(g.Body(batch), &list); err != nil {
			b.Fatal(err)
		}
		for n, e := range list {
			list[n] = map[string]any{"type": "track", "event": e["eventType"], "userId": e["userId"], "properties": e["properties"], "timestamp": "2026-01-31T11:59:59.123Z",
				"messageId": fmt.Sprintf("node-next-1769860799123-%d-%d", i, n)}
		}
		text, err := json.Marshal(map[string]any{"batch": list, "sentAt": "2026-01-31T12:00:00Z"})
		if err != nil {
			b.Fatal(err)
		}
		requests[i] = clientRequest("batch", serverKey, string(text))
	}
	h := clientHandler(nil, metrics{}, nil)
	h.Stream = newSwallowing(batch)
	b.ReportAllocs()
	n, before := 0, processorTime(b)
	for b.Loop() {
		resp, err := h.Handle(b.Context(), requests[n%len(requests)])
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.StatusCode, resp.Body, err)
		}
		n++
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(n*batch), "cpu-ns/event")
}
