//go:build unix

package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/testkit/bench"
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

// formats return the requests of a batch in our own format and in Segment's.
func formats(b *testing.B, batch int) (own, segment []events.APIGatewayProxyRequest) {
	b.Helper()
	g := workload.New(1, now.Add(-time.Hour), time.Hour)
	for i := range 16 {
		body := g.Body(batch)
		own = append(own, request(string(body)))
		var list []map[string]any
		if err := json.Unmarshal(body, &list); err != nil {
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
		segment = append(segment, clientRequest("batch", serverKey, string(text)))
	}
	return own, segment
}

// BenchmarkIngest handles batches from body to response, in our own format and in
// Segment's, one after the other.
func BenchmarkIngest(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) {
			own, segment := formats(b, batch)
			h, clients := handler(nil, metrics{}), clientHandler(nil, metrics{}, nil)
			h.Stream, clients.Stream = newSwallowing(batch), newSwallowing(batch)
			// A sample is the CPU time of enough requests for the clock's resolution.
			rounds := max(1, 400/batch)
			perEvent := func(handle func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error), requests []events.APIGatewayProxyRequest, want int) float64 {
				before := processorTime(b)
				for n := range rounds {
					if resp, err := handle(b.Context(), requests[n%len(requests)]); err != nil || resp.StatusCode != want {
						b.Fatal(resp.StatusCode, resp.Body, err)
					}
				}
				return float64((processorTime(b) - before).Nanoseconds()) / 1e3 / float64(rounds*batch)
			}
			var ours, theirs, ratios []float64
			for b.Loop() {
				a, c := perEvent(h.Handle, own, http.StatusAccepted), perEvent(clients.Handle, segment, http.StatusOK)
				ours, theirs, ratios = append(ours, a), append(theirs, c), append(ratios, c/a)
			}
			event := bench.Figure{Name: "CPU time per event", Unit: "µs", Samples: ours, At: float64(batch)}
			if batch == 100 {
				event.Goal = 3
			}
			bench.Report(b, "ingest", event,
				bench.Figure{Name: "CPU time per message of Segment's API", Unit: "µs", Samples: theirs, At: float64(batch)},
				bench.Figure{Name: "message beside event", Samples: ratios, At: float64(batch)})
		})
	}
}
