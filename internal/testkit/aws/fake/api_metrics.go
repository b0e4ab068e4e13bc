package fake

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// metrics are the values that a test has set, by namespace, metric and
// dimension value.
type metrics struct {
	mu  sync.Mutex
	all map[[3]string]func(minute time.Time) (value float64, ok bool)
}

// SetMetric sets a metric's value per minute; ok is false for minutes without a
// value. dimension is the dimension's value.
func (f Surroundings) SetMetric(namespace, metric, dimension string, of func(minute time.Time) (value float64, ok bool)) {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	if f.metrics.all == nil {
		f.metrics.all = map[[3]string]func(time.Time) (float64, bool){}
	}
	f.metrics.all[[3]string{namespace, metric, dimension}] = of
}

// metric returns a value in a minute: the one set by a test, or else the value
// of a stream that each mapping reads immediately.
func (f cloudWatchAPI) metric(namespace, metric, dimension string, minute time.Time) (float64, bool) {
	f.metrics.mu.Lock()
	of := f.metrics.all[[3]string{namespace, metric, dimension}]
	f.metrics.mu.Unlock()
	if of != nil {
		return of(minute)
	}
	if metric != "GetRecords.IteratorAgeMilliseconds" {
		return 0, false
	}
	for _, m := range f.mappings.list("", f.arn("kinesis", "stream/"+dimension)) {
		f.mappings.mu.Lock()
		state := m.state
		f.mappings.mu.Unlock()
		if state == "Enabled" {
			return 0, true
		}
	}
	return 0, false
}

// serve handles GetMetricData in the binary protocol of the Go SDK: one value
// per minute, newest first, in one page.
func (f cloudWatchAPI) serve(w http.ResponseWriter, r *request) {
	decoded, err := cbor.Decode(r.body)
	in, ok := decoded.(cbor.Map)
	if r.call.Action != "GetMetricData" || err != nil || !ok {
		f.refuse(w, r, notThere(r))
		return
	}
	from, err := cbor.AsTime(in["StartTime"])
	to, err2 := cbor.AsTime(in["EndTime"])
	if err != nil || err2 != nil || !from.Before(to) {
		f.refuse(w, r, wire.Errorf("ValidationError", "The parameter StartTime must be less than the parameter EndTime."))
		return
	}
	results := cbor.List{}
	queries, _ := in["MetricDataQueries"].(cbor.List)
	for _, q := range queries {
		query, _ := q.(cbor.Map)
		stat, _ := query["MetricStat"].(cbor.Map)
		metric, _ := stat["Metric"].(cbor.Map)
		dimension := ""
		if dimensions, _ := metric["Dimensions"].(cbor.List); len(dimensions) == 1 {
			only, _ := dimensions[0].(cbor.Map)
			dimension = text(only["Value"])
		}
		stamps, values := cbor.List{}, cbor.List{}
		for minute := to.Truncate(time.Minute); !minute.Before(from); minute = minute.Add(-time.Minute) {
			if !minute.Before(to) {
				continue
			}
			if v, ok := f.metric(text(metric["Namespace"]), text(metric["MetricName"]), dimension, minute); ok {
				stamps, values = append(stamps, &cbor.Tag{ID: 1, Value: cbor.Float64(minute.Unix())}), append(values, cbor.Float64(v))
			}
		}
		results = append(results, cbor.Map{"Id": query["Id"], "Label": metric["MetricName"], "StatusCode": cbor.String("Complete"), "Timestamps": stamps, "Values": values})
	}
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	_, _ = w.Write(cbor.Encode(cbor.Map{"MetricDataResults": results}))
}

func text(v cbor.Value) string {
	s, _ := v.(cbor.String)
	return strings.TrimSpace(string(s))
}
