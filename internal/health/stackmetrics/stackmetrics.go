// Package stackmetrics reads the health of a stack from CloudWatch. All calls only read.
package stackmetrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/health"
)

// MetricsAPI reads metric data; *cloudwatch.Client satisfies it.
type MetricsAPI interface {
	GetMetricData(context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

// API also reads alarms; *cloudwatch.Client satisfies it.
type API interface {
	MetricsAPI
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

var _ API = (*cloudwatch.Client)(nil)

const (
	// maxQueries is CloudWatch's limit of metrics per call of GetMetricData, maxNames that
	// of alarm names per call of DescribeAlarms.
	maxQueries = 500
	maxNames   = 100
	// maxPages bounds the pages of one answer.
	maxPages = 100
	// minute is the metrics' period in seconds.
	minute = 60
)

// Read returns the health of a platform at a time. A failed call makes the values unknown
// that it would have returned; Read has no error of its own.
func Read(ctx context.Context, api API, p health.Platform, now time.Time) health.Report {
	metrics := health.Metrics(p)
	alarms, err := Alarms(ctx, api, p.Alarms)
	if err != nil {
		alarms = &health.Alarms{Unknown: reason(err), Total: len(p.Alarms), Firing: []health.Alarm{}}
	}
	found, err := Series(ctx, api, queries(metrics), health.Since(now), now)
	return health.NewReport(metrics, func(q health.Query) health.Series {
		if err != nil {
			return health.Series{Unknown: reason(err)}
		}
		return found[q]
	}, alarms, now)
}

func queries(metrics []health.Metric) (all []health.Query) {
	for _, m := range metrics {
		for _, q := range m.Queries {
			if !slices.Contains(all, q) {
				all = append(all, q)
			}
		}
	}
	return all
}

// Series reads the values of queries per minute. A query that CloudWatch can't answer is
// unknown.
func Series(ctx context.Context, api MetricsAPI, all []health.Query, since, now time.Time) (map[health.Query]health.Series, error) {
	out := make(map[health.Query]health.Series, len(all))
	for part := range slices.Chunk(all, maxQueries) {
		found, err := readSeries(ctx, api, part, since, now)
		if err != nil {
			return nil, err
		}
		for i, q := range part {
			out[q] = found[i]
		}
	}
	return out, nil
}

func readSeries(ctx context.Context, api MetricsAPI, part []health.Query, since, now time.Time) ([]health.Series, error) {
	in := &cloudwatch.GetMetricDataInput{
		StartTime: &since, EndTime: aws.Time(now.UTC().Truncate(time.Minute).Add(time.Minute)), ScanBy: types.ScanByTimestampDescending,
	}
	out := make([]health.Series, len(part))
	for i, q := range part {
		out[i] = health.Series{Unknown: "CloudWatch returned no result"}
		in.MetricDataQueries = append(in.MetricDataQueries, query(i, q))
	}
	pages := cloudwatch.NewGetMetricDataPaginator(api, in)
	for n := 0; pages.HasMorePages(); n++ {
		if n == maxPages {
			return nil, fmt.Errorf("read CloudWatch metrics: more than %d pages", maxPages)
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read CloudWatch metrics: %w", err)
		}
		for _, r := range page.MetricDataResults {
			i, err := strconv.Atoi(strings.TrimPrefix(aws.ToString(r.Id), "m"))
			if err != nil || i < 0 || i >= len(part) {
				return nil, fmt.Errorf("read CloudWatch metrics: unexpected result %q", aws.ToString(r.Id))
			}
			addPage(&out[i], r)
		}
	}
	return out, nil
}

// addPage adds a page's values of a query.
func addPage(s *health.Series, r types.MetricDataResult) {
	switch r.StatusCode {
	case types.StatusCodeInternalError, types.StatusCodeForbidden:
		*s = health.Series{Unknown: "CloudWatch reports " + string(r.StatusCode)}
		return
	}
	if s.Values == nil {
		s.Unknown, s.Values = "", map[time.Time]float64{}
	}
	for i, at := range r.Timestamps[:min(len(r.Timestamps), len(r.Values))] {
		s.Values[at.UTC()] = r.Values[i]
	}
}

func query(number int, q health.Query) types.MetricDataQuery {
	var dimensions []types.Dimension
	if q.Dimension != "" {
		dimensions = []types.Dimension{{Name: &q.Dimension, Value: &q.Value}}
	}
	return types.MetricDataQuery{
		Id: aws.String("m" + strconv.Itoa(number)),
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{
				Namespace: &q.Namespace, MetricName: &q.Name, Dimensions: dimensions,
			},
			Period: aws.Int32(minute), Stat: &q.Statistic,
		},
	}
}

// Alarms reads the states of alarms, names by logical id. It returns nil for a stack
// without alarms.
func Alarms(ctx context.Context, api API, names map[string]string) (*health.Alarms, error) {
	if len(names) == 0 {
		return nil, nil
	}
	states := map[string]health.State{}
	for part := range slices.Chunk(slices.Sorted(maps.Values(names)), maxNames) {
		pages := cloudwatch.NewDescribeAlarmsPaginator(api, &cloudwatch.DescribeAlarmsInput{
			AlarmNames: part, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm}, MaxRecords: aws.Int32(maxNames),
		})
		for n := 0; pages.HasMorePages(); n++ {
			page, err := pages.NextPage(ctx)
			if err == nil && n == maxPages {
				err = fmt.Errorf("more than %d pages", maxPages)
			}
			if err != nil {
				return nil, fmt.Errorf("read CloudWatch alarms: %w", err)
			}
			for _, a := range page.MetricAlarms {
				states[aws.ToString(a.AlarmName)] = health.State{
					State: string(a.StateValue), Reason: aws.ToString(a.StateReason), Since: since(a), Threshold: aws.ToFloat64(a.Threshold),
					Below:   strings.HasPrefix(string(a.ComparisonOperator), "LessThan"),
					Enabled: aws.ToBool(a.ActionsEnabled),
				}
			}
		}
	}
	return health.NewAlarms(names, states), nil
}

// since returns when the alarm's state changed. A newer update of an unchanged state
// changes only StateUpdatedTimestamp.
func since(a types.MetricAlarm) time.Time {
	if a.StateTransitionedTimestamp != nil {
		return *a.StateTransitionedTimestamp
	}
	return aws.ToTime(a.StateUpdatedTimestamp)
}

// reason returns the cause of a failed call on one line.
func reason(err error) string {
	var coded interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
	if errors.As(err, &coded) {
		verb, _, _ := strings.Cut(err.Error(), ":")
		return verb + ": " + coded.ErrorCode() + ": " + coded.ErrorMessage()
	}
	return err.Error()
}
