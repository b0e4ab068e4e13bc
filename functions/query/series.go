package query

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// series describes the series of a metric.
type series struct {
	name string
	// key identifies its rows.
	key string
	// fields is the number of dimension fields; by contains their names, if
	// they have names.
	fields int
	by     []string
	// sum, min and max report whether the response contains them.
	sum, min, max bool
	// declared is false for built-in and computed metrics; skips reports
	// whether skipped events are counted in a series of their own.
	declared, skips bool
	// parameters lists the accepted query parameters.
	parameters []string
}

var seriesParameters = []string{"from", "to", "step", "cursor"}

// eventsSeries is the built-in metric: events by type.
var eventsSeries = series{
	name: api.MetricEvents, key: warehouse.MetricEvents, fields: 1, by: []string{"eventType"},
	parameters: []string{"from", "to", "step", "eventType", "by", "where", "cursor"},
}

func declared(d metric.Definition) series {
	return series{
		name: d.Name, key: d.Key(), fields: len(d.By), by: d.By,
		sum: d.Sum != "", min: d.Min != "", max: d.Max != "", declared: true, skips: d.Field() != "", parameters: seriesParameters,
	}
}

// unknownMetricError is returned for a metric that does not exist.
type unknownMetricError struct {
	name  string
	known []string
}

func (e *unknownMetricError) Error() string {
	last := len(e.known) - 1
	return fmt.Sprintf("metric %q does not exist: use %s or %s", quoteShort(e.name), strings.Join(e.known[:last], ", "), e.known[last])
}

// find returns a metric by name: a declared one, or a computed one, which only
// the warehouse knows.
func (h *Handler) find(ctx context.Context, name string, now time.Time) (series, error) {
	known := append([]string{api.MetricSummary, api.MetricEvents, api.MetricUsers}, api.Questions()...)
	for _, d := range h.definitions {
		if d.Name == name {
			return declared(d), nil
		}
		known = append(known, d.Name)
	}
	unknown := &unknownMetricError{name, known}
	if metric.CheckName(name) != nil {
		return series{}, unknown
	}
	s, ok, err := h.coded.get(name, now, func() (series, bool, error) {
		key, fields, ok, err := h.Warehouse.MetricKey(ctx, name)
		// The rows show which of the values exist.
		return series{name: name, key: key, fields: fields, sum: true, min: true, max: true, parameters: seriesParameters}, ok, err
	})
	switch {
	case err != nil:
		return series{}, fmt.Errorf("%w: %w", errUnavailable, err)
	case !ok:
		return series{}, unknown
	}
	return s, nil
}

// since returns the time from which a series is complete, or nil if that is
// unknown.
func (h *Handler) since(ctx context.Context, key string, now time.Time) *time.Time {
	at, ok, err := h.sinces.get(key, now, func() (time.Time, bool, error) {
		ctx, cancel := context.WithTimeout(ctx, sinceTime)
		defer cancel()
		return h.Warehouse.Since(ctx, key)
	})
	if err != nil {
		h.Log.WarnContext(ctx, "start of series unknown", "key", key, "err", err)
	}
	if !ok {
		return nil
	}
	return &at
}

// metric serves declared and computed metrics.
func (h *Handler) metric(ctx context.Context, r seriesRequest, now time.Time) (result, error) {
	p, err := h.page(ctx, r, now)
	if err != nil {
		return result{}, err
	}
	a := api.MetricResponse{
		Metric: r.name, From: &r.from, To: &p.end, StepSeconds: int(r.step / time.Second), By: r.by,
		Since: h.since(ctx, r.key, now), Points: make([]api.Point, len(p.points)), Next: r.next(p.end),
	}
	for i, point := range p.points {
		a.Points[i] = metricPoint(r.series, point)
	}
	origin := p.origin
	if r.declared && !r.skips {
		a.Skipped = new(int64)
	}
	if r.skips {
		skipped, from, err := h.skipped(ctx, r, p.end, now)
		if err == nil {
			a.Skipped, origin = &skipped, merge(origin, from)
		} else {
			h.Log.WarnContext(ctx, "skipped events not counted", "key", r.key, "err", err)
		}
	}
	a.Origin = dropAsOf(origin, p.end, now)
	return result{a, p.end, a.Stale}, nil
}

// skipped counts the events that a metric skipped.
func (h *Handler) skipped(ctx context.Context, r seriesRequest, end, now time.Time) (int64, api.Origin, error) {
	points, origin, err := h.read(ctx, metric.SkippedKey(r.key), span{r.from, end, end.Sub(r.from)}, now)
	var n int64
	for _, p := range points {
		n += p.N
	}
	return n, origin, err
}

func metricPoint(s series, p warehouse.Point) api.Point {
	m := api.Point{At: p.At, Count: p.N}
	if p.Dimension != "" || s.by != nil { // a computed metric may have no dimension
		m.Values = metric.Values(p.Dimension, s.fields)
	}
	if p.Min == "" { // a metric that only counts
		return m
	}
	if s.sum {
		m.Sum = number(p.Sum)
	}
	if s.min {
		m.Min = number(p.Min)
	}
	if s.max {
		m.Max = number(p.Max)
	}
	return m
}
