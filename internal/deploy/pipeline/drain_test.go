package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// values responds to each CloudWatch query with its values.
type values map[string][]float64

func (v values) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		out.MetricDataResults = append(out.MetricDataResults, types.MetricDataResult{Id: q.Id, Values: v[aws.ToString(q.Id)]})
	}
	return out, nil
}

// TestNotDrainedReason needs whole minutes without a record, with an iterator age
// near 0, and without an invocation.
func TestNotDrainedReason(t *testing.T) {
	since := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	consumers := []consumer{{name: "ProcessorMapping", function: "p", window: 30 * time.Second}, {name: "ArchiverMapping", function: "a", window: 110 * time.Second}}
	if got := wholeMinutes(consumers); got != 3 {
		t.Fatalf("%d minutes, want 3", got)
	}
	quiet := values{"age": {0, 0, 0}}
	for name, tt := range map[string]struct {
		at      time.Duration // since the suspension
		metrics values
		problem string
		want    string
	}{
		"too early":          {3 * time.Minute, quiet, "", "3 whole minutes have to pass"},
		"drained":            {5 * time.Minute, quiet, "", ""},
		"records arrive":     {5 * time.Minute, values{"age": {0, 0, 0}, "incoming": {0, 7}}, "", "7 records arrived"},
		"age unknown":        {5 * time.Minute, values{"age": {0, 0}}, "", "2 of the last 3 minutes"},
		"behind":             {5 * time.Minute, values{"age": {0, 90_000, 0}}, "", "the iterator age was 1m30s"},
		"a consumer was run": {5 * time.Minute, values{"age": {0, 0, 0}, "consumer1": {4000}}, "", "a handled records that were 4s old"},
		"a consumer fails":   {5 * time.Minute, quiet, "PROBLEM: Function call failed", "ProcessorMapping fails: PROBLEM"},
	} {
		p := &Pipeline{Metrics: tt.metrics, Session: stack.Session{Clock: &stack.Clock{Fixed: func() time.Time { return since.Add(tt.at) }}}}
		consumers[0].problem = tt.problem
		got, err := p.notDrainedReason(t.Context(), "stream", consumers, since)
		if err != nil || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

// TestThrottleMark reads every mark that it writes, and no other text.
func TestThrottleMark(t *testing.T) {
	at := time.Unix(1_795_000_000, 0)
	for _, want := range []throttle{{"1000", "500", at}, {"0.5", "1", at}, {"", "", at}} {
		if got, ok := parseThrottle(want.String()); !ok || got != want {
			t.Errorf("%s: %+v, %t", want, got, ok)
		}
	}
	for _, text := range []string{"", "1000", "1000:500", "1000:500:x", "a:b:c:d"} {
		if _, ok := parseThrottle(text); ok {
			t.Errorf("%q is a mark", text)
		}
	}
}
