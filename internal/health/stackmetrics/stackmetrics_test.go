package stackmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/health/stackmetrics"
)

var now = time.Date(2026, 5, 1, 12, 0, 30, 0, time.UTC)

// fakeAPI returns the number in a metric's name, in two pages per call.
type fakeAPI struct {
	t        *testing.T
	calls    []int // queries of the first pages
	names    []int // alarms asked for
	endless  bool
	err      error
	statuses map[string]types.StatusCode
}

func (f *fakeAPI) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	if f.err != nil {
		return nil, f.err
	}
	out := &cloudwatch.GetMetricDataOutput{}
	half := in.MetricDataQueries[len(in.MetricDataQueries)/2:]
	if in.NextToken == nil || f.endless {
		f.calls = append(f.calls, len(in.MetricDataQueries))
		half, out.NextToken = in.MetricDataQueries[:len(in.MetricDataQueries)/2], aws.String("more")
	}
	if in.EndTime.Sub(*in.StartTime) != time.Hour {
		f.t.Errorf("asked for %s", in.EndTime.Sub(*in.StartTime))
	}
	for _, q := range half {
		var n float64
		name := aws.ToString(q.MetricStat.Metric.MetricName)
		if _, err := fmt.Sscanf(name, "metric%g", &n); err != nil {
			f.t.Error(err)
		}
		status := types.StatusCodeComplete
		if s, ok := f.statuses[name]; ok {
			status = s
		}
		out.MetricDataResults = append(out.MetricDataResults, types.MetricDataResult{Id: q.Id, StatusCode: status, Values: []float64{n}, Timestamps: []time.Time{now.Truncate(time.Minute)}})
	}
	return out, nil
}

func (f *fakeAPI) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	f.names = append(f.names, len(in.AlarmNames))
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, name := range in.AlarmNames {
		out.MetricAlarms = append(out.MetricAlarms, types.MetricAlarm{AlarmName: aws.String(name), StateValue: types.StateValueAlarm, ActionsEnabled: aws.Bool(true),
			ComparisonOperator: types.ComparisonOperatorLessThanThreshold, Threshold: aws.Float64(3), StateUpdatedTimestamp: aws.Time(now)})
	}
	return out, f.err
}

// TestManyQueries splits 1,201 queries and 250 alarms by the limits of CloudWatch.
func TestManyQueries(t *testing.T) {
	fake := &fakeAPI{t: t, statuses: map[string]types.StatusCode{"metric7": types.StatusCodeForbidden, "metric8": types.StatusCodeInternalError, "metric9": types.StatusCodePartialData}}
	var all []health.Query
	for n := range 1201 {
		all = append(all, health.Query{Namespace: "N", Name: fmt.Sprintf("metric%d", n), Statistic: "Sum"})
	}
	found, err := stackmetrics.Series(t.Context(), fake, all, health.Since(now), now)
	if err != nil || fmt.Sprint(fake.calls) != "[500 500 201]" {
		t.Fatalf("calls %v, %v", fake.calls, err)
	}
	for n, q := range all {
		s := found[q]
		if unknown := n == 7 || n == 8; unknown != (s.Unknown != "") || !unknown && s.Values[now.Truncate(time.Minute)] != float64(n) {
			t.Errorf("%s is %+v", q.Name, s)
		}
	}
	names := map[string]string{}
	for n := range 250 {
		names[fmt.Sprintf("Id%d", n)] = fmt.Sprintf("name%d", n)
	}
	alarms, err := stackmetrics.Alarms(t.Context(), fake, names)
	if err != nil || fmt.Sprint(fake.names) != "[100 100 50]" || len(alarms.Firing) != 250 || !alarms.Firing[0].Since.Equal(now) {
		t.Errorf("%v %v", fake.names, err)
	}
	fake.endless = true
	if _, err := stackmetrics.Series(t.Context(), fake, all[:2], health.Since(now), now); err == nil || !strings.Contains(err.Error(), "more than 100 pages") {
		t.Errorf("endless pages: %v", err)
	}
	fake.err = errors.New("broken")
	r := stackmetrics.Read(t.Context(), fake, health.Platform{Stack: "s", API: true, Alarms: names}, now)
	if r.Alarms.Unknown == "" || r.Metrics[0].Unknown == "" || r.Metrics[0].Value != nil {
		t.Errorf("%+v", r)
	}
}
