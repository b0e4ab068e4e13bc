package pipeline

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

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// drainTimeout bounds the draining, in addition to the time that it takes to
	// recognize the stream's end.
	drainTimeout = 20 * time.Minute
	// metricDelay is how late the metrics of a minute may arrive.
	metricDelay = time.Minute
	// pollsPerCheck is the time between two checks, in poll intervals: metrics
	// arrive once per minute.
	pollsPerCheck = 5
	// maxIteratorAge is the maximum iterator age of a drained stream, in
	// milliseconds.
	maxIteratorAge = 1000
)

// DrainError is a stream that was not drained.
type DrainError struct {
	Stack string
	// Why is the reason that was found last.
	Why string
}

func (e *DrainError) Error() string {
	return fmt.Sprintf("destroy stack %s: the stream is not drained: %s; nothing was deleted, and the API accepts no events", e.Stack, e.Why)
}

// Hint is the next step for a user.
func (e *DrainError) Hint() string {
	return "fix the cause and run the same command again; --no-drain gives up the records in the stream; `streamctl deploy` resumes the pipeline"
}

// Class is the class of the error.
func (*DrainError) Class() failure.Class { return failure.Other }

// consumer is an event source mapping with its function.
type consumer struct {
	name, function string
	stopped        bool
	problem        string        // of its last invocation
	window         time.Duration // the longest time to collect a batch and run
}

// Drain waits until the stack's consumers have handled all records of a suspended
// pipeline's stream. No call returns a consumer's position. So it checks whole
// minutes after the suspension: no record arrived, the iterator age is near 0, and
// no consumer was invoked, for longer than a consumer collects a batch and runs (an
// invocation is counted when it ends). A disabled consumer would never get there.
func (p *Pipeline) Drain(ctx context.Context, stackName string, resources []stack.Resource, s Suspension) error {
	streams := stack.OfType(resources, typeStream)
	if s.drained || len(streams) == 0 {
		return nil
	}
	from := s.Since.Truncate(time.Minute).Add(time.Minute)
	began, reported := p.Clock.Now(), ""
	for {
		consumers, err := p.consumers(ctx, resources)
		if err != nil || len(consumers) == 0 {
			return err
		}
		for _, c := range consumers {
			if c.stopped {
				return &DrainError{Stack: stackName, Why: c.name + " is disabled, so its function does not consume the stream"}
			}
		}
		why, err := p.notDrainedReason(ctx, streams[0].PhysicalID, consumers, from)
		if err != nil {
			return err
		}
		if why == "" {
			return p.markDrained(ctx, s)
		}
		minutes := wholeMinutes(consumers)
		timeout := drainTimeout + time.Duration(minutes)*time.Minute
		deadline := began.Add(timeout)
		if why != reported {
			p.Waiting("the stream to be drained: %s (usually %d to %d minutes, at most until %s; skip with --no-drain)", why, minutes+1, minutes+3, deadline.Local().Format("15:04:05 MST"))
			reported = why
		}
		if p.Clock.Now().After(deadline) {
			return &DrainError{Stack: stackName, Why: fmt.Sprintf("%s, after %s", why, timeout)}
		}
		if err := pause.For(ctx, pollsPerCheck*p.Poll); err != nil {
			return fmt.Errorf("drain the stream: %w", err)
		}
	}
}

// consumers reads the stack's event source mappings.
func (p *Pipeline) consumers(ctx context.Context, resources []stack.Resource) ([]consumer, error) {
	var out []consumer
	for _, m := range stack.OfType(resources, typeMapping) {
		found, err := p.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", m.LogicalID, err)
		}
		if aws.ToString(found.State) == "Deleting" {
			continue
		}
		function := functionName(aws.ToString(found.FunctionArn))
		timeout, err := p.timeout(ctx, function)
		if err != nil {
			return nil, err
		}
		r := consumer{name: m.LogicalID, function: function, stopped: strings.HasPrefix(aws.ToString(found.State), "Disabl"),
			window: time.Duration(aws.ToInt32(found.MaximumBatchingWindowInSeconds))*time.Second + timeout}
		if result := aws.ToString(found.LastProcessingResult); strings.HasPrefix(result, "PROBLEM") {
			r.problem = result
		}
		out = append(out, r)
	}
	return out, nil
}

// timeout is a function's timeout; 0 if it does not exist.
func (p *Pipeline) timeout(ctx context.Context, function string) (time.Duration, error) {
	out, err := p.Functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &function})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read function %s: %w", function, err)
	}
	return time.Duration(aws.ToInt32(out.Configuration.Timeout)) * time.Second, nil
}

// wholeMinutes is the number of minutes without activity that shows the stream's
// end: the longest window of a consumer, and one more.
func wholeMinutes(consumers []consumer) int {
	window := time.Minute
	for _, r := range consumers {
		window = max(window, r.window)
	}
	return 1 + int((window+time.Minute-1)/time.Minute)
}

// notDrainedReason is why the stream is not known to be drained; empty if it is.
func (p *Pipeline) notDrainedReason(ctx context.Context, stream string, consumers []consumer, from time.Time) (why string, err error) {
	for _, r := range consumers {
		if r.problem != "" {
			return r.name + " fails: " + r.problem, nil
		}
	}
	minutes := wholeMinutes(consumers)
	to := p.Clock.Now().Add(-metricDelay).Truncate(time.Minute)
	if to.Sub(from) < time.Duration(minutes)*time.Minute {
		return fmt.Sprintf("%d whole minutes have to pass", minutes), nil
	}
	from = to.Add(-time.Duration(minutes) * time.Minute)
	values, err := perMinute(ctx, p.Metrics, from, to, drainQueries(stream, consumers))
	if err != nil {
		return "", err
	}
	if came := sum(values["incoming"]); came > 0 {
		return fmt.Sprintf("%.0f records arrived in the last %d minutes", came, minutes), nil
	}
	if len(values["age"]) < minutes { // each minute with a read has a value
		return fmt.Sprintf("CloudWatch has the iterator age of %d of the last %d minutes", len(values["age"]), minutes), nil
	}
	if age := slices.Max(values["age"]); age > maxIteratorAge {
		return fmt.Sprintf("the iterator age was %s", (time.Duration(age) * time.Millisecond).Round(time.Second)), nil
	}
	for i, r := range consumers {
		if ages := values[fmt.Sprintf("consumer%d", i)]; len(ages) > 0 {
			return fmt.Sprintf("%s handled records that were %s old", r.function, (time.Duration(slices.Max(ages)) * time.Millisecond).Round(time.Second)), nil
		}
	}
	return "", nil
}

// drainQueries ask for the incoming records, the iterator age, and the records of
// each consumer.
func drainQueries(stream string, consumers []consumer) []metrics.MetricDataQuery {
	query := func(id, namespace, metric, dimension, value string, how metrics.Statistic) metrics.MetricDataQuery {
		return metrics.MetricDataQuery{Id: &id, MetricStat: &metrics.MetricStat{Period: aws.Int32(60), Stat: aws.String(string(how)), Metric: &metrics.Metric{
			Namespace: &namespace, MetricName: &metric, Dimensions: []metrics.Dimension{{Name: &dimension, Value: &value}},
		}}}
	}
	out := []metrics.MetricDataQuery{
		query("incoming", "AWS/Kinesis", "IncomingRecords", "StreamName", stream, metrics.StatisticSum),
		query("age", "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", stream, metrics.StatisticMaximum),
	}
	for i, r := range consumers {
		out = append(out, query(fmt.Sprintf("consumer%d", i), "AWS/Lambda", "IteratorAge", "FunctionName", r.function, metrics.StatisticMaximum))
	}
	return out
}

// perMinute reads values from CloudWatch, without minutes that have none.
func perMinute(ctx context.Context, api MetricAPI, from, to time.Time, queries []metrics.MetricDataQuery) (map[string][]float64, error) {
	out := map[string][]float64{}
	pages := stack.Limit("metrics", cloudwatch.NewGetMetricDataPaginator(api, &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, MetricDataQueries: queries}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the stream's metrics: %w", err)
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
