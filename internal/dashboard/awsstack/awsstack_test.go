package awsstack_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/streamctl/streamctl/internal/dashboard/awsstack"
	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/local/sigv4"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}, nil
})

func TestGetIsSigned(t *testing.T) {
	keys := sigv4.NewKeys(sigv4.Credential{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := keys.Request(r, nil, sigv4.Scope{Service: "execute-api", Region: "eu-west-1"}, time.Now()); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		w.Header().Set("ETag", r.Header.Get("If-None-Match"))
		io.WriteString(w, r.URL.String())
	}))
	defer server.Close()
	api := &awsstack.API{Endpoint: server.URL + "/prod", Region: "eu-west-1", Credentials: credentials, Client: server.Client(), Now: time.Now}
	for _, path := range []string{"/metrics/summary", "/metrics/events?from=2026-01-31T12%3A00%3A00Z&step=5m&eventType=a.b%3Ac_d-e", "/metrics/events?cursor=AbC_-"} {
		resp, err := api.Get(t.Context(), path, http.Header{"If-None-Match": {`"x"`}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("ETag") != `"x"` || len(body) < len("/prod"+path) {
			t.Errorf("%s: %s, %v, %v", path, body, resp.Header, err)
		}
	}
	server.Close()
	if resp, err := api.Get(t.Context(), "/metrics/summary", nil); err == nil {
		resp.Body.Close()
		t.Error("no error from a server that is away")
	}
	api.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("expired") })
	resp, err := api.Get(t.Context(), "/metrics/summary", nil)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || err.Error() != "use AWS credentials: expired" {
		t.Error(err)
	}
}

type fakeMetrics struct {
	t     *testing.T
	asked int
	err   error
}

// GetMetricData has two pages: a count is in both, another metric isn't told.
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
		if *m.Namespace != funcenv.MetricNamespace || len(m.Dimensions) != 1 || *m.Dimensions[0].Name != funcenv.DimensionStack || *m.Dimensions[0].Value != "shop" {
			f.t.Errorf("asked for %v", m)
		}
		r := types.MetricDataResult{Id: q.Id, StatusCode: types.StatusCodeComplete}
		switch *m.MetricName {
		case funcenv.MetricAccepted:
			r.StatusCode, r.Values = types.StatusCodePartialData, []float64{5, 7}
		case funcenv.MetricCacheErrors:
			r.StatusCode = types.StatusCodeForbidden
		case funcenv.MetricLag:
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

func TestHealthFromCloudWatch(t *testing.T) {
	clock := now
	fake := &fakeMetrics{t: t}
	health := &awsstack.Health{API: fake, Stack: "shop", Now: func() time.Time { return clock }}
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
	clock = clock.Add(awsstack.Kept - time.Second)
	if _, err := health.Get(t.Context()); err != nil || fake.asked != 2 {
		t.Errorf("asked %d times, %v", fake.asked, err)
	}
	clock, fake.err = clock.Add(2*time.Second), errors.New("throttled")
	if _, err := health.Get(t.Context()); err == nil {
		t.Error("an old answer for an error")
	}
	fake.err = nil
	if _, err := health.Get(t.Context()); err != nil || fake.asked != 4 {
		t.Errorf("asked %d times, %v", fake.asked, err)
	}
}
