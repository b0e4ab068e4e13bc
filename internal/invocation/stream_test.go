package invocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/invocation"
)

// TestStreamReadsWhatLambdaReads compares Stream with the library's handler.
func TestStreamReadsWhatLambdaReads(t *testing.T) {
	var record events.KinesisEventRecord
	record.EventID, record.EventSource = "shardId-000000000000:49", "aws:kinesis"
	record.Kinesis.SequenceNumber, record.Kinesis.PartitionKey, record.Kinesis.Data = "49", "ü\u2028\"", []byte{0, 1, 0xff}
	record.Kinesis.ApproximateArrivalTimestamp.Time = time.UnixMilli(1545084650987)
	payload, err := json.Marshal(events.KinesisEvent{Records: []events.KinesisEventRecord{record, {}}})
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for _, tt := range []struct {
		name, payload string
		resp          events.KinesisEventResponse
		err           error
	}{
		{"all done", string(payload), events.KinesisEventResponse{}, nil},
		{"a partial response", string(payload), events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{{ItemIdentifier: "49"}}}, nil},
		{"an error", string(payload), events.KinesisEventResponse{}, refused},
		{"no records", `{}`, events.KinesisEventResponse{}, nil},
		{"new fields", `{"Records":[{"kinesis":{"new":[1,{"x":null}]},"newer":true}]}`, events.KinesisEventResponse{}, nil},
		{"no batch", `[`, events.KinesisEventResponse{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []events.KinesisEvent
			handle := func(_ context.Context, batch events.KinesisEvent) (events.KinesisEventResponse, error) {
				seen = append(seen, batch)
				return tt.resp, tt.err
			}
			ours, ourErr := invocation.Stream(handle).Invoke(t.Context(), []byte(tt.payload))
			theirs, theirErr := lambda.NewHandler(handle).Invoke(t.Context(), []byte(tt.payload))
			if (ourErr == nil) != (theirErr == nil) || tt.err != nil && !errors.Is(ourErr, tt.err) {
				t.Errorf("error %v, the library's %v", ourErr, theirErr)
			}
			if len(seen) == 2 {
				if diff := cmp.Diff(seen[1], seen[0]); diff != "" {
					t.Errorf("batch (-library +ours)\n%s", diff)
				}
			} else if len(seen) != 0 {
				t.Errorf("%d of 2 handlers were called", len(seen))
			}
			var a, b events.KinesisEventResponse
			if ourErr == nil && (json.Unmarshal(ours, &a) != nil || json.Unmarshal(theirs, &b) != nil || len(a.BatchItemFailures) != len(b.BatchItemFailures)) {
				t.Errorf("answer %s, the library's %s", ours, theirs)
			}
		})
	}
}
