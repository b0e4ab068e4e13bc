package fake

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// metrics are the values that a test has set, by namespace, metric and
// dimension value, and the states of alarms by name.
type metrics struct {
	mu     sync.Mutex
	all    map[[3]string]func(minute time.Time) (value float64, ok bool)
	alarms map[string]alarmState
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

// serve handles calls in the binary protocol of the Go SDK.
func (f cloudWatchAPI) serve(w http.ResponseWriter, r *request) {
	decoded, err := cbor.Decode(r.body)
	in, ok := decoded.(cbor.Map)
	if err != nil || !ok {
		f.refuse(w, r, notThere(r))
		return
	}
	var out cbor.Map
	switch r.call.Action {
	case "GetMetricData":
		out, err = f.metricData(in)
	case "DescribeAlarms":
		out, err = f.describeAlarms(in)
	default:
		err = notThere(r)
	}
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	writeBinary(w, http.StatusOK, out)
}

// writeBinary writes a response of the binary protocol; write errors mean that the client
// has disconnected.
func writeBinary(w http.ResponseWriter, status int, out cbor.Map) {
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.WriteHeader(status)
	_, _ = w.Write(cbor.Encode(out))
}

func writeBinaryError(w http.ResponseWriter, err error) {
	e := wire.AsError(err)
	writeBinary(w, e.Status, cbor.Map{"__type": cbor.String(e.Code), "message": cbor.String(e.Message)})
}

const (
	// maxMetricQueries is CloudWatch's limit per call.
	maxMetricQueries = 500
	// metricPage is the number of results per page; AWS doesn't document its own.
	metricPage = 40
)

// metricData returns one value per minute, newest first.
func (f cloudWatchAPI) metricData(in cbor.Map) (cbor.Map, error) {
	from, err := cbor.AsTime(in["StartTime"])
	to, err2 := cbor.AsTime(in["EndTime"])
	if err != nil || err2 != nil || !from.Before(to) {
		return nil, wire.Errorf("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
	}
	results := cbor.List{}
	queries, _ := in["MetricDataQueries"].(cbor.List)
	if len(queries) > maxMetricQueries {
		return nil, wire.Errorf("ValidationError", "The collection MetricDataQueries must not have a size greater than %d.", maxMetricQueries)
	}
	page, next := pageOf(queries, text(in["NextToken"]), metricPage)
	for _, q := range page {
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
	return paged(cbor.Map{"MetricDataResults": results}, next), nil
}

// pageOf returns the page that a token names, and the token of the next one.
func pageOf[T any](all []T, token string, size int) (page []T, next string) {
	from, err := strconv.Atoi(token)
	if err != nil || from < 0 || from > len(all) {
		from = 0
	}
	to := min(from+size, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next
}

func paged(out cbor.Map, next string) cbor.Map {
	if next != "" {
		out["NextToken"] = cbor.String(next)
	}
	return out
}

func text(v cbor.Value) string {
	s, _ := v.(cbor.String)
	return strings.TrimSpace(string(s))
}
