// Package awsstack reads the health of a stack's pipeline from CloudWatch.
package awsstack

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
)

const (
	// Window is the period of the counts, up to now.
	Window = time.Hour
	// Kept is how long a result is cached: CloudWatch charges one cent per thousand
	// metrics.
	Kept = 30 * time.Second
	// minute is the metrics' period in seconds.
	minute = 60
)

// MetricsAPI reads metric data; *cloudwatch.Client satisfies it.
type MetricsAPI interface {
	GetMetricData(context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

var _ MetricsAPI = (*cloudwatch.Client)(nil)

// Health reads the functions' own metrics.
type Health struct {
	API   MetricsAPI
	Stack string
	// Processor and Archiver are the functions' names. Their iterator ages reveal
	// waiting records, even if the function fails and writes no metrics.
	Processor, Archiver string

	mu   sync.Mutex
	last dashboard.Health
}

// field is a metric and the destination of its value.
type field struct {
	metric string
	of     func(*dashboard.Health) **int64
}

func counts() []field {
	return []field{
		{contract.MetricAccepted, func(h *dashboard.Health) **int64 { return &h.Accepted }},
		{contract.MetricRefused, func(h *dashboard.Health) **int64 { return &h.Refused }},
		{contract.MetricUnavailable, func(h *dashboard.Health) **int64 { return &h.Unavailable }},
		{contract.MetricArchived, func(h *dashboard.Health) **int64 { return &h.Archived }},
		{contract.MetricInserted, func(h *dashboard.Health) **int64 { return &h.Inserted }},
		{contract.MetricDuplicates, func(h *dashboard.Health) **int64 { return &h.Duplicates }},
		{contract.MetricQuarantined, func(h *dashboard.Health) **int64 { return &h.Quarantined }},
		{contract.MetricExpired, func(h *dashboard.Health) **int64 { return &h.Expired }},
		{contract.MetricCacheErrors, func(h *dashboard.Health) **int64 { return &h.CacheErrors }},
	}
}

// Metrics is the number of metrics that CloudWatch charges per result.
func Metrics() int { return len(counts()) + 3 }

// Get returns the health of the last hour. Results are cached for Kept; concurrent
// calls share one.
func (h *Health) Get(ctx context.Context) (dashboard.Health, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now().UTC()
	if !h.last.At.IsZero() && now.Sub(h.last.At) < Kept {
		return h.last, nil
	}
	found, err := h.ask(ctx, now)
	if err != nil {
		return dashboard.Health{}, err
	}
	h.last = found
	return found, nil
}

func (h *Health) ask(ctx context.Context, now time.Time) (dashboard.Health, error) {
	found := dashboard.Health{At: now, Since: now.Add(-Window).Truncate(time.Minute)}
	in := &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(found.Since), EndTime: aws.Time(now.Truncate(time.Minute).Add(time.Minute)),
		ScanBy: types.ScanByTimestampDescending,
	}
	fields := counts()
	for i, f := range fields {
		in.MetricDataQueries = append(in.MetricDataQueries, h.query(i, f.metric, types.StatisticSum))
	}
	lag := len(fields)
	in.MetricDataQueries = append(in.MetricDataQueries, h.query(lag, contract.MetricLag, types.StatisticMaximum))
	for i, function := range []string{h.Processor, h.Archiver} {
		if function != "" { // a stack of an old version may not have the output
			in.MetricDataQueries = append(in.MetricDataQueries, iteratorAge(lag+1+i, function))
		}
	}
	sums, told := make([]float64, len(fields)), make([]bool, len(fields))
	pages := cloudwatch.NewGetMetricDataPaginator(h.API, in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return found, fmt.Errorf("read CloudWatch metrics: %w", err)
		}
		for _, r := range out.MetricDataResults {
			i, err := strconv.Atoi(aws.ToString(r.Id)[1:])
			switch {
			case err != nil || i > lag+2:
			case r.StatusCode == types.StatusCodeInternalError || r.StatusCode == types.StatusCodeForbidden: // stays unknown
			case i < lag:
				told[i] = true // a metric without data counts zero
				for _, v := range r.Values {
					sums[i] += v
				}
			case len(r.Values) == 0 || len(r.Timestamps) == 0:
			case i == lag+2:
				if found.ArchiveLagSeconds == nil {
					found.ArchiveLagSeconds = aws.Float64(r.Values[0] / 1000)
				}
			default:
				newerLag(&found, r.Values[0]/1000, r.Timestamps[0].UTC())
			}
		}
	}
	for i, f := range fields {
		if told[i] {
			*f.of(&found) = aws.Int64(int64(math.Round(sums[i])))
		}
	}
	return found, nil
}

// newerLag sets a lag in seconds if it is of a later minute than the known one, or
// longer in the same minute.
func newerLag(found *dashboard.Health, seconds float64, at time.Time) {
	if found.LagAt == nil || at.After(*found.LagAt) || at.Equal(*found.LagAt) && seconds > *found.LagSeconds {
		found.LagSeconds, found.LagAt = aws.Float64(seconds), aws.Time(at)
	}
}

// iteratorAge returns the query for the age of the records with which a function is
// invoked, even if it fails.
func iteratorAge(number int, function string) types.MetricDataQuery {
	return types.MetricDataQuery{
		Id: aws.String("m" + strconv.Itoa(number)),
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{
				Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("IteratorAge"),
				Dimensions: []types.Dimension{{Name: aws.String("FunctionName"), Value: aws.String(function)}},
			},
			Period: aws.Int32(minute), Stat: aws.String(string(types.StatisticMaximum)),
		},
	}
}

// query returns the query for a metric by minute; its result has the id m plus the
// number.
func (h *Health) query(number int, metric string, how types.Statistic) types.MetricDataQuery {
	return types.MetricDataQuery{
		Id: aws.String("m" + strconv.Itoa(number)),
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{
				Namespace: aws.String(contract.MetricNamespace), MetricName: aws.String(metric),
				Dimensions: []types.Dimension{{Name: aws.String(contract.DimensionStack), Value: aws.String(h.Stack)}},
			},
			Period: aws.Int32(minute), Stat: aws.String(string(how)),
		},
	}
}
