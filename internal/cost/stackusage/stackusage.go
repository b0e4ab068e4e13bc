// Package stackusage reads the usage of a stack from CloudWatch. All calls only read.
package stackusage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// API reads metric data; *cloudwatch.Client satisfies it.
type API interface {
	GetMetricData(context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

var _ API = (*cloudwatch.Client)(nil)

const (
	// period of the sums in seconds; CloudWatch keeps sums of an hour for 15 months.
	period   = 3600
	maxPages = 100
)

// Metric is a metric whose values are added up.
type Metric struct{ Namespace, Name, Dimension, Value string }

// Sums returns the sum of each metric between two times, which should be whole hours. A
// metric without values has the sum 0: AWS publishes none for what did not happen.
func Sums(ctx context.Context, api API, metrics []Metric, from, to time.Time) (map[Metric]float64, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to}
	for i, m := range metrics {
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{Id: aws.String("m" + strconv.Itoa(i)), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: &m.Namespace, MetricName: &m.Name, Dimensions: []types.Dimension{{Name: &m.Dimension, Value: &m.Value}}},
			Period: aws.Int32(period), Stat: aws.String("Sum"),
		}})
	}
	out := make(map[Metric]float64, len(metrics))
	pages := cloudwatch.NewGetMetricDataPaginator(api, in)
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err == nil && n == maxPages {
			err = errors.New("too many pages")
		}
		if err != nil {
			return nil, fmt.Errorf("read CloudWatch metrics: %w", err)
		}
		for _, r := range page.MetricDataResults {
			i, err := strconv.Atoi(strings.TrimPrefix(aws.ToString(r.Id), "m"))
			if err != nil || i < 0 || i >= len(metrics) {
				return nil, fmt.Errorf("read CloudWatch metrics: unexpected result %q", aws.ToString(r.Id))
			}
			if r.StatusCode == types.StatusCodeForbidden || r.StatusCode == types.StatusCodeInternalError {
				return nil, fmt.Errorf("read CloudWatch metrics: %s of %s: %s", metrics[i].Name, metrics[i].Value, r.StatusCode)
			}
			for _, v := range r.Values {
				out[metrics[i]] += v
			}
		}
	}
	return out, nil
}
