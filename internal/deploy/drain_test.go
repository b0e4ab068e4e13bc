package deploy_test

import (
	"context"
	"errors"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// drainTest returns a stack whose database leaves a snapshot, with its own clock: each
// poll advances it by twenty seconds.
func drainTest(t *testing.T) (op *deploy.Operator, fake *awsfake.Fake, lines *strings.Builder, made stack.Stack, began time.Time) {
	t.Helper()
	op, fake, lines = operator(t, awsfake.Options{})
	made = apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate")).Stack
	began = time.Date(2026, 11, 25, 6, 0, 30, 0, time.UTC)
	var looks atomic.Int64
	op.Now = func() time.Time { return began.Add(time.Duration(looks.Add(1)) * 20 * time.Second) }
	op.Poll = time.Millisecond
	return op, fake, lines, made, began
}

// TestDrain has records arrive for three minutes and a consumer that is ten minutes
// behind: nothing is disabled or deleted before the stream has been quiet.
func TestDrain(t *testing.T) {
	op, fake, lines, made, began := drainTest(t)
	until := func(d time.Duration, value float64) func(time.Time) (float64, bool) {
		return func(minute time.Time) (float64, bool) { return value, minute.Before(began.Add(d)) }
	}
	fake.SetMetric("AWS/Kinesis", "IncomingRecords", made.Outputs["StreamName"], until(3*time.Minute, 50))
	fake.SetMetric("AWS/Lambda", "IteratorAge", made.Outputs["ProcessorFunctionName"], until(10*time.Minute, 240_000))
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	story := lines.String()
	at := 0
	for _, text := range []string{"Setting the API's rate limit to 0", "2 whole minutes have to pass", "records arrived in the last 2 minutes", "handled records that were 4m0s old", "Disabling ", "Denying writes", "Emptying bucket", "Deleting stack"} {
		next := strings.Index(story[at:], text)
		if next < 0 {
			t.Fatalf("%q is missing, or too early, in\n%s", text, story)
		}
		at += next
	}
	if since := op.Now().Sub(began); since < 13*time.Minute || since > 16*time.Minute {
		t.Errorf("it took %s", since)
	}
}

// TestDrainEnds gives up on a stream that is never drained, explains why, and has
// deleted nothing. A deploy reopens the API; --no-drain continues.
func TestDrainEnds(t *testing.T) {
	op, fake, _, made, _ := drainTest(t)
	fake.SetMetric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", made.Outputs["StreamName"], func(time.Time) (float64, bool) { return 3_600_000, true })
	_, err := op.Destroy(t.Context(), plan(t, op))
	var drain *pipeline.DrainError
	if !errors.As(err, &drain) || !strings.Contains(err.Error(), "the iterator age was 1h0m0s") || !strings.Contains(drain.Hint(), "--no-drain") {
		t.Fatalf("got %v", err)
	}
	if _, _, halted := works(t, op, made); len(halted) != 2 { // the rate, and the mark
		t.Errorf("halted: %v", halted)
	}
	apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate"))
	if rate, _, halted := works(t, op, made); rate != 1000 || len(halted) > 0 {
		t.Errorf("after a deploy: rate %v, %v", rate, halted)
	}
	p := plan(t, op, noDrain)
	if _, err := op.Destroy(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// TestDrainOfAFailingReader reports the failing consumer, and ends with the interrupt.
func TestDrainOfAFailingReader(t *testing.T) {
	op, fake, lines, _, _ := drainTest(t)
	fake.SetProcessingResult("ProcessorMapping", "PROBLEM: Function call failed")
	own := *op
	ctx, cancel := context.WithCancel(t.Context())
	own.Report = func(e stack.Event) {
		op.Report(e)
		if strings.Contains(e.Text, "ProcessorMapping fails: PROBLEM: Function call failed") {
			cancel()
		}
	}
	if _, err := own.Destroy(ctx, plan(t, op)); !errors.Is(err, context.Canceled) || ctx.Err() == nil {
		t.Errorf("got %v\n%s", err, lines)
	}
}
