package awsstack_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/dashboard/awsstack"
	"github.com/streamctl/streamctl/internal/pause"
)

type fakeMetrics struct {
	t     *testing.T
	asked int
	err   error
	ages  map[string]float64 // iterator ages in milliseconds, by function
}

// GetMetricData returns two pages: one count is in both, another metric is missing.
func (f *fakeMetrics) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.asked++
	if d := in.EndTime.Sub(*in.StartTime); d < time.Hour || d > 62*time.Minute {
		f.t.Errorf("asked for %s", d)
	}
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		m := q.MetricStat.Metric
		if age, ok := f.ages[*m.Dimensions[0].Value]; *m.Namespace == "AWS/Lambda" && *m.MetricName == "IteratorAge" {
			r := types.MetricDataResult{Id: q.Id, StatusCode: types.StatusCodeComplete}
			if ok {
				r.Values, r.Timestamps = []float64{age}, []time.Time{now.Add(-time.Minute)}
			}
			out.MetricDataResults = append(out.MetricDataResults, r)
			continue
		}
		if *m.Namespace != contract.MetricNamespace || len(m.Dimensions) != 1 || *m.Dimensions[0].Name != contract.DimensionStack || *m.Dimensions[0].Value != "shop" {
			f.t.Errorf("asked for %v", m)
		}
		r := types.MetricDataResult{Id: q.Id, StatusCode: types.StatusCodeComplete}
		switch *m.MetricName {
		case contract.MetricAccepted:
			r.StatusCode, r.Values = types.StatusCodePartialData, []float64{5, 7}
			first := now.Add(-time.Minute)
			if in.NextToken != nil {
				first = now.Add(-3 * time.Minute)
			}
			r.Timestamps = []time.Time{first, first.Add(-time.Minute)}
		case contract.MetricCacheErrors:
			r.StatusCode = types.StatusCodeForbidden
		case contract.MetricLag:
			r.Values, r.Timestamps = []float64{1500, 90000}, []time.Time{now.Add(-time.Minute), now.Add(-2 * time.Minute)}
		}
		out.MetricDataResults = append(out.MetricDataResults, r)
	}
	if in.NextToken == nil {
		out.NextToken = aws.String("more")
	}
	return out, nil
}

var now = time.Date(2026, 1, 31, 12, 0, 30, 0, time.UTC)

// wait advances the time of a synctest bubble.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := pause.For(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// begin advances it to the current time.
func begin(t *testing.T) {
	t.Helper()
	wait(t, time.Until(now))
}

func TestHealthFromCloudWatch(t *testing.T) { synctest.Test(t, testHealthFromCloudWatch) }

func testHealthFromCloudWatch(t *testing.T) {
	begin(t)
	fake := &fakeMetrics{t: t}
	health := &awsstack.Health{API: fake, Stack: "shop"}
	h, err := health.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *h.Accepted != 24 || *h.Refused != 0 || *h.Quarantined != 0 || h.CacheErrors != nil {
		t.Errorf("%+v", h)
	}
	if *h.LagSeconds != 1.5 || !h.LagAt.Equal(now.Add(-time.Minute)) || !h.At.Equal(now) || !h.Since.Equal(now.Add(-time.Hour).Truncate(time.Minute)) {
		t.Errorf("%+v", h)
	}
	wait(t, awsstack.Kept-time.Second)
	if _, err := health.Get(t.Context()); err != nil || fake.asked != 2 {
		t.Errorf("asked %d times, %v", fake.asked, err)
	}
	wait(t, 2*time.Second)
	fake.err = errors.New("throttled")
	if _, err := health.Get(t.Context()); err == nil {
		t.Error("an old answer for an error")
	}
	fake.err = nil
	if _, err := health.Get(t.Context()); err != nil || fake.asked != 4 {
		t.Errorf("asked %d times, %v", fake.asked, err)
	}
}

// TestLagOfAFailingProcessor has a processor that loads nothing: the lag is the growing
// iterator age, and not that of the last load.
func TestLagOfAFailingProcessor(t *testing.T) {
	for _, tt := range []struct {
		ages          map[string]float64
		lag, archiver float64
	}{
		{map[string]float64{"shop-processor": 300, "shop-archiver": 61000}, 1.5, 61},
		{map[string]float64{"shop-processor": 480000, "shop-archiver": 2000}, 480, 2},
	} {
		health := &awsstack.Health{API: &fakeMetrics{t: t, ages: tt.ages}, Stack: "shop", Processor: "shop-processor", Archiver: "shop-archiver"}
		var h dashboard.Health
		var err error
		synctest.Test(t, func(t *testing.T) {
			begin(t)
			h, err = health.Get(t.Context())
		})
		if err != nil {
			t.Fatal(err)
		}
		if *h.LagSeconds != tt.lag || *h.ArchiveLagSeconds != tt.archiver {
			t.Errorf("lag %v, archiver %v; want %v, %v", *h.LagSeconds, *h.ArchiveLagSeconds, tt.lag, tt.archiver)
		}
	}
}
