package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	metrics "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// drainWithin bounds the wait for the stream's end, beside what it takes to see it.
	drainWithin = 20 * time.Minute
	// drainLag is how late the metrics of a minute may come.
	drainLag = time.Minute
	// drainLooks is how many of the usual waits there are between two looks:
	// metrics come by the minute.
	drainLooks = 5
	// atEnd is how old the oldest record read may be of a stream that is read to
	// its end, in milliseconds.
	atEnd = 1000
)

// DrainError says that the stream was not read to its end.
type DrainError struct {
	Stack string
	// Why is what was seen last.
	Why string
}

func (e *DrainError) Error() string {
	return fmt.Sprintf("destroy stack %s: what is in the stream isn't handled: %s; nothing was deleted, and the API accepts nothing", e.Stack, e.Why)
}

// Hint says what to do.
func (e *DrainError) Hint() string {
	return "put right what fails and run the same command again; --no-drain gives up what is left in the stream; `streamctl deploy` opens the API again and starts what was stopped"
}

// reads is one mapping as the drain sees it.
type reads struct {
	name, function string
	stopped        bool
	problem        string        // of its last invocation
	window         time.Duration // how long it may gather records, and then run
}

// drain waits until the stack's mappings have handled what is in the stream. No
// call tells a mapping's position. So it looks at whole minutes after nothing was
// accepted any more: nothing came, whoever reads found nothing old, and no reader
// was invoked, for longer than a reader gathers records and runs: an invocation is
// counted when it ends. A reader that is stopped would never get there.
func (o *Operator) drain(ctx context.Context, p Plan, h halt) error {
	streams := byType(p.Resources, typeStream)
	if h.drained || len(streams) == 0 {
		return nil
	}
	from := h.since.Truncate(time.Minute).Add(time.Minute)
	began, told := o.now(), ""
	for {
		readers, err := o.readers(ctx, p.Resources)
		if err != nil || len(readers) == 0 {
			return err
		}
		for _, r := range readers {
			if r.stopped {
				return &DrainError{Stack: p.Stack.Name, Why: r.name + " was stopped, so it reads nothing"}
			}
		}
		why, err := o.quiet(ctx, streams[0].PhysicalID, readers, from)
		if err != nil {
			return err
		}
		if why == "" {
			return o.markDrained(ctx, h)
		}
		minutes := wholeMinutes(readers)
		within := drainWithin + time.Duration(minutes)*time.Minute
		deadline := began.Add(within)
		if why != told {
			o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("the readers to reach the stream's end: %s (usually %d to %d minutes, at most until %s; --no-drain doesn't wait)", why, minutes+1, minutes+3, deadline.Local().Format("15:04:05 MST"))})
			told = why
		}
		if o.now().After(deadline) {
			return &DrainError{Stack: p.Stack.Name, Why: fmt.Sprintf("%s, after %s", why, within)}
		}
		if err := pause.For(ctx, drainLooks*o.Poll); err != nil {
			return fmt.Errorf("wait for the stream's end: %w", err)
		}
	}
}

// readers are the stack's mappings.
func (o *Operator) readers(ctx context.Context, resources []Resource) ([]reads, error) {
	var out []reads
	for _, m := range byType(resources, typeMapping) {
		found, err := o.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", m.LogicalID, err)
		}
		if aws.ToString(found.State) == "Deleting" {
			continue
		}
		_, function, _ := strings.Cut(aws.ToString(found.FunctionArn), ":function:")
		function, _, _ = strings.Cut(function, ":") // without an alias
		timeout, err := o.timeout(ctx, function)
		if err != nil {
			return nil, err
		}
		r := reads{name: m.LogicalID, function: function, stopped: strings.HasPrefix(aws.ToString(found.State), "Disabl"),
			window: time.Duration(aws.ToInt32(found.MaximumBatchingWindowInSeconds))*time.Second + timeout}
		if result := aws.ToString(found.LastProcessingResult); strings.HasPrefix(result, "PROBLEM") {
			r.problem = result
		}
		out = append(out, r)
	}
	return out, nil
}

// timeout is how long a function may run; one that is gone doesn't.
func (o *Operator) timeout(ctx context.Context, function string) (time.Duration, error) {
	out, err := o.Functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &function})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at function %s: %w", function, err)
	}
	return time.Duration(aws.ToInt32(out.Configuration.Timeout)) * time.Second, nil
}

// wholeMinutes is how long it has to be quiet: what a reader may gather and run,
// and one more.
func wholeMinutes(readers []reads) int {
	window := time.Minute
	for _, r := range readers {
		window = max(window, r.window)
	}
	return 1 + int((window+time.Minute-1)/time.Minute)
}

// quiet says what isn't quiet yet; empty is the stream's end.
func (o *Operator) quiet(ctx context.Context, stream string, readers []reads, from time.Time) (why string, err error) {
	for _, r := range readers {
		if r.problem != "" {
			return r.name + " fails: " + r.problem, nil
		}
	}
	minutes := wholeMinutes(readers)
	to := o.now().Add(-drainLag).Truncate(time.Minute)
	if to.Sub(from) < time.Duration(minutes)*time.Minute {
		return fmt.Sprintf("%d whole minutes have to pass", minutes), nil
	}
	from = to.Add(-time.Duration(minutes) * time.Minute)
	values, err := o.byMinute(ctx, from, to, drainQueries(stream, readers))
	if err != nil {
		return "", err
	}
	if came := sum(values["came"]); came > 0 {
		return fmt.Sprintf("%.0f records came in the last %d minutes", came, minutes), nil
	}
	if len(values["age"]) < minutes { // whoever reads is seen each minute
		return fmt.Sprintf("it is known for %d of the last %d minutes that the stream is read", len(values["age"]), minutes), nil
	}
	if age := slices.Max(values["age"]); age > atEnd {
		return fmt.Sprintf("the oldest record read was %s old", (time.Duration(age) * time.Millisecond).Round(time.Second)), nil
	}
	for i, r := range readers {
		if ages := values[fmt.Sprintf("reader%d", i)]; len(ages) > 0 {
			return fmt.Sprintf("%s handled records of %s ago", r.function, (time.Duration(slices.Max(ages)) * time.Millisecond).Round(time.Second)), nil
		}
	}
	return "", nil
}

// drainQueries are what came, how old what is read is, and what each reader
// handles.
func drainQueries(stream string, readers []reads) []metrics.MetricDataQuery {
	query := func(id, namespace, metric, dimension, value string, how metrics.Statistic) metrics.MetricDataQuery {
		return metrics.MetricDataQuery{Id: &id, MetricStat: &metrics.MetricStat{Period: aws.Int32(60), Stat: aws.String(string(how)), Metric: &metrics.Metric{
			Namespace: &namespace, MetricName: &metric, Dimensions: []metrics.Dimension{{Name: &dimension, Value: &value}},
		}}}
	}
	out := []metrics.MetricDataQuery{
		query("came", "AWS/Kinesis", "IncomingRecords", "StreamName", stream, metrics.StatisticSum),
		query("age", "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", stream, metrics.StatisticMaximum),
	}
	for i, r := range readers {
		out = append(out, query(fmt.Sprintf("reader%d", i), "AWS/Lambda", "IteratorAge", "FunctionName", r.function, metrics.StatisticMaximum))
	}
	return out
}

// byMinute asks CloudWatch; a minute without a value is left out.
func (o *Operator) byMinute(ctx context.Context, from, to time.Time, queries []metrics.MetricDataQuery) (map[string][]float64, error) {
	out := map[string][]float64{}
	pages := cloudwatch.NewGetMetricDataPaginator(o.Metrics, &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, MetricDataQueries: queries})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask CloudWatch how far the stream is read: %w", err)
		}
		for _, r := range page.MetricDataResults {
			out[aws.ToString(r.Id)] = append(out[aws.ToString(r.Id)], r.Values...)
		}
	}
	return out, nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
