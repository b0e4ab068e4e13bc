package cli

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/cost"
	"github.com/streamctl/streamctl/internal/cost/stackusage"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/template"
)

// measured is the traffic of a stack.
type measured struct {
	Stack string `json:"stack"`
	// Hours is the length of the time; a young stack's is its age.
	Hours float64 `json:"hours"`
	// Events, Requests and StreamBytes are those of the time. Requests include queries.
	Events      float64 `json:"events"`
	Requests    float64 `json:"requests"`
	StreamBytes float64 `json:"streamBytes"`
}

// costOfStack prices the traffic of a stack, scaled to a month.
func costOfStack(ctx context.Context, a *App, o costOptions, prices cost.Prices) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	s, err := op.Inspect(ctx, v.StackName)
	if err != nil {
		return err
	}
	to := time.Now().UTC().Truncate(time.Hour)
	from := to.AddDate(0, 0, -o.days)
	if created := s.Stack.Created.UTC().Truncate(time.Hour); created.After(from) {
		from = created
	}
	if !from.Before(to) {
		to = from.Add(time.Hour) // the current hour of a new stack
	}
	metrics := stackMetricsOf(health.PlatformOf(s.Stack.Name, withProperties(s)))
	sums, err := stackusage.Sums(ctx, op.CloudWatch, metrics.all(), from, to)
	if err != nil {
		return err
	}
	m := measured{Stack: s.Stack.Name, Hours: to.Sub(from).Hours(), Events: sums[metrics.records], Requests: sums[metrics.requests], StreamBytes: sums[metrics.bytes]}
	month := 730 / m.Hours
	u := cost.Usage{Records: m.Events, StreamBytes: m.StreamBytes, Calls: m.Requests, Functions: map[string]cost.Invocations{}}
	for name, pair := range metrics.functions {
		u.Functions[name] = cost.Invocations{Count: sums[pair.count], Seconds: sums[pair.duration] / 1000}
	}
	for _, group := range metrics.logs {
		u.LogGB += sums[group] / (1 << 30)
	}
	r, err := cost.ForUsage(cost.Platform{Variables: v, Region: op.Caller.Region, AlarmMetrics: template.AlarmMetrics(v)}, cost.Measured(v, u, month), o.load.Month, prices)
	if err != nil {
		return err
	}
	result := costResult{Report: r, Environment: v.Environment, Measured: &m}
	return a.printResult(result, func() { printCost(a, result) })
}

// stackMetrics are the metrics whose sums are the usage.
type stackMetrics struct {
	requests, records, bytes stackusage.Metric
	functions                map[string]functionMetrics
	logs                     []stackusage.Metric
}

type functionMetrics struct{ count, duration stackusage.Metric }

func stackMetricsOf(p health.Platform) stackMetrics {
	out := stackMetrics{
		requests:  stackusage.Metric{Namespace: "AWS/ApiGateway", Name: "Count", Dimension: "ApiName", Value: p.Stack},
		records:   stackusage.Metric{Namespace: "AWS/Kinesis", Name: "IncomingRecords", Dimension: "StreamName", Value: p.Stream},
		bytes:     stackusage.Metric{Namespace: "AWS/Kinesis", Name: "IncomingBytes", Dimension: "StreamName", Value: p.Stream},
		functions: map[string]functionMetrics{},
	}
	group := func(name string) stackusage.Metric {
		return stackusage.Metric{Namespace: "AWS/Logs", Name: "IncomingBytes", Dimension: "LogGroupName", Value: name}
	}
	out.logs = append(out.logs, group("/aws/apigateway/"+p.Stack))
	for _, f := range p.Functions {
		of := func(metric string) stackusage.Metric {
			return stackusage.Metric{Namespace: "AWS/Lambda", Name: metric, Dimension: "FunctionName", Value: f.ID}
		}
		if _, known := contract.FunctionByName(f.Name); known {
			out.functions[f.Name] = functionMetrics{of("Invocations"), of("Duration")}
			out.logs = append(out.logs, group(template.LogGroup(p.Stack, f.Name)))
		}
	}
	return out
}

// all returns the metrics of the parts that the stack has.
func (m stackMetrics) all() (out []stackusage.Metric) {
	for _, one := range append([]stackusage.Metric{m.requests, m.records, m.bytes}, m.logs...) {
		if one.Value != "" {
			out = append(out, one)
		}
	}
	for _, f := range contract.Functions() {
		if pair, ok := m.functions[f.Name]; ok {
			out = append(out, pair.count, pair.duration)
		}
	}
	return out
}
