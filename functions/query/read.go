package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/decimal"
	"github.com/streamctl/streamctl/internal/warehouse"
)

const (
	// maxCached is the longest span that is read from the cache, minute by
	// minute; for longer ones the warehouse computes the sums.
	maxCached = 24 * time.Hour
	// maxBytes limits the points of a response: Lambda accepts 6 MiB, in which
	// each quote takes two bytes.
	maxBytes = 5 << 20
)

// events serves /metrics/events.
func (h *Handler) events(ctx context.Context, r seriesRequest, now time.Time) (result, error) {
	p, err := h.page(ctx, r, now)
	if err != nil {
		return result{}, err
	}
	a := api.MetricResponse{
		Metric: r.name, From: &r.from, To: &p.end, StepSeconds: int(r.step / time.Second),
		Origin: dropAsOf(p.origin, p.end, now), Points: make([]api.Point, len(p.points)), Next: r.next(p.end), Folded: p.folded,
	}
	for i, point := range p.points {
		a.Points[i] = api.Point{At: point.At, EventType: point.Dimension, Count: point.N}
	}
	if r.eventType != "" && len(p.points) == 0 && p.folded == nil {
		ctx, cancel := context.WithTimeout(ctx, hintTime)
		defer cancel()
		a.Hints = h.typeHints(ctx, []string{r.eventType})
	}
	return result{a, p.end, a.Stale}, nil
}

// page is the part of the requested data that fits into one response.
type page struct {
	points []warehouse.Point
	end    time.Time
	origin api.Origin
	folded *api.Folded
}

func (h *Handler) page(ctx context.Context, r seriesRequest, now time.Time) (p page, err error) {
	p.end = r.to
	if r.to.Sub(r.from) > maxSteps*r.step {
		p.end = r.from.Add(maxSteps * r.step)
	}
	points, origin, err := h.read(ctx, r.key, span{r.from, p.end, r.step}, now)
	if err != nil {
		return p, err
	}
	p.origin = origin
	if other := folded(points); r.eventType != "" && r.eventType != warehouse.OtherDimension && other > 0 {
		points = h.unfold(ctx, r, &p, points, other, now)
	}
	p.points, p.end = cut(r.choose(points), p.end)
	return p, nil
}

// folded returns the number of folded events in points.
func folded(points []warehouse.Point) (n int64) {
	for _, p := range points {
		if p.Dimension == warehouse.OtherDimension {
			n += p.N
		}
	}
	return n
}

// unfold counts the events of the requested type in minutes in which they may
// be folded. If the warehouse can't, the response states how many may be
// missing.
func (h *Handler) unfold(ctx context.Context, r seriesRequest, p *page, points []warehouse.Point, other int64, now time.Time) []warehouse.Point {
	_, placed, err := h.placed.get(r.eventType, now, func() (struct{}, bool, error) {
		never, err := h.Warehouse.IsNeverFolded(ctx, r.key, r.eventType)
		return struct{}{}, never, err
	})
	if placed {
		return points
	}
	var counted warehouse.TypeCount
	if err == nil {
		counted, err = h.Warehouse.CountType(ctx, r.eventType, r.from, p.end, r.step)
	}
	if err != nil {
		h.Log.ErrorContext(ctx, "folded events not counted", "err", err)
		p.folded = &api.Folded{From: r.from, To: p.end, Events: other}
		return points
	}
	p.origin = fresh(now)
	if counted.Folded > 0 {
		p.folded = &api.Folded{From: counted.FoldedFrom, To: counted.FoldedTo, Events: counted.Folded}
	}
	return counted.Points
}

// choose selects the requested points.
func (r seriesRequest) choose(points []warehouse.Point) []warehouse.Point {
	if r.eventType != "" {
		points = slices.DeleteFunc(points, func(p warehouse.Point) bool { return p.Dimension != r.eventType })
	}
	if !r.total {
		return points
	}
	var totals []warehouse.Point
	for _, p := range points {
		if n := len(totals); n > 0 && totals[n-1].At.Equal(p.At) {
			totals[n-1].N += p.N
			continue
		}
		totals = append(totals, warehouse.Point{At: p.At, N: p.N})
	}
	return totals
}

// cut moves the last steps of a page to the next page if the page would be too
// large.
func cut(points []warehouse.Point, end time.Time) ([]warehouse.Point, time.Time) {
	size, step := 0, 0 // index of the current step's first point
	for i, p := range points {
		if i > 0 && !p.At.Equal(points[i-1].At) {
			step = i
		}
		if size += bytesOf(p); size > maxBytes && step > 0 {
			return points[:step], points[step].At
		}
	}
	return points, end
}

// bytesOf returns the maximum size of a point: JSON inside JSON.
func bytesOf(p warehouse.Point) int {
	size := 150 + len(p.Sum) + len(p.Min) + len(p.Max)
	for _, c := range []byte(p.Dimension) {
		switch {
		case c < ' ':
			size += 7
		case c == '"' || c == '\\':
			size += 4
		case c == 0xe2: // U+2028 and U+2029 take six bytes
			size += 4
		default:
			size++
		}
	}
	return size
}

// read sums a series by step: from the cache if it can have the whole span,
// otherwise from the warehouse, and if that fails, from the cache if possible.
func (h *Handler) read(ctx context.Context, key string, s span, now time.Time) ([]warehouse.Point, api.Origin, error) {
	kept := s.from.Add(cache.Window).After(now.Add(time.Minute)) && !s.to.After(now.Add(cache.Ahead))
	if kept && s.to.Sub(s.from) <= maxCached {
		return h.recent(ctx, key, s, now)
	}
	points, err := h.Warehouse.Series(ctx, key, s.from, s.to, s.step)
	if err == nil {
		return points, fresh(now), nil
	}
	if kept {
		found, ok := h.cached(context.WithoutCancel(ctx), key, s.minutes()) // the deadline may have passed
		if ok && len(found.Missing) == 0 {
			h.Log.WarnContext(ctx, "answered without the warehouse", "err", err)
			points, err := addUp(found.Rows, s)
			return points, origin(true, false, found.AsOf, now), err
		}
	}
	return nil, api.Origin{}, fmt.Errorf("%w: %w", errUnavailable, err)
}

func (s span) minutes() []time.Time {
	minutes := make([]time.Time, 0, s.to.Sub(s.from)/time.Minute)
	for m := s.from; m.Before(s.to); m = m.Add(time.Minute) {
		minutes = append(minutes, m)
	}
	return minutes
}

// cached reads minutes from the cache; ok is false if the cache can't be read.
func (h *Handler) cached(ctx context.Context, key string, minutes []time.Time) (found cache.Minutes, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, cacheTime)
	defer cancel()
	found, err := h.Cache.Minutes(ctx, key, minutes)
	if err != nil {
		h.cacheFailed(ctx, err)
		return cache.Minutes{Missing: minutes}, false
	}
	return found, true
}

// recent sums minutes of the cache. It reads missing minutes from the warehouse
// and adds them to the cache.
func (h *Handler) recent(ctx context.Context, key string, s span, now time.Time) ([]warehouse.Point, api.Origin, error) {
	minutes := s.minutes()
	found, ok := h.cached(ctx, key, minutes)
	h.count(ctx, len(minutes)-len(found.Missing), len(found.Missing))
	from := origin(true, len(found.Missing) > 0, found.AsOf, now)
	if len(found.Missing) == len(minutes) {
		from = fresh(now)
	}
	rows := found.Rows
	if len(found.Missing) > 0 {
		read := h.Warehouse.MinuteRows
		if ok {
			read = h.fill
		}
		loaded, err := read(ctx, key, found.Missing)
		if err != nil {
			return nil, from, fmt.Errorf("%w: %w", errUnavailable, err)
		}
		rows = append(rows, loaded...)
	}
	points, err := addUp(rows, s)
	return points, from, err
}

// fill reads minutes from the warehouse and writes them to the cache, if
// possible.
func (h *Handler) fill(ctx context.Context, key string, missing []time.Time) ([]warehouse.MinuteRow, error) {
	rows, err := h.Cache.Fill(ctx, h.Warehouse, key, missing)
	var notWritten *cache.WriteError
	if errors.As(err, &notWritten) {
		h.cacheFailed(ctx, err)
		return rows, nil
	}
	return rows, err
}

// sums are the totals of a point.
type sums struct {
	n             int64
	sum, min, max decimal.Decimal
	// measured is false if the metric only counts.
	measured bool
}

func (s *sums) add(r warehouse.MinuteRow) error {
	s.n += r.N
	if r.Min == "" || r.N == 0 {
		return nil
	}
	sum, err := decimal.Parse(r.Sum)
	if err != nil {
		return err
	}
	low, err := decimal.Parse(r.Min)
	if err != nil {
		return err
	}
	high, err := decimal.Parse(r.Max)
	if err != nil {
		return err
	}
	if !s.measured {
		s.sum, s.min, s.max, s.measured = sum, low, high, true
		return nil
	}
	s.sum = s.sum.Add(sum)
	if low.Cmp(s.min) < 0 {
		s.min = low
	}
	if s.max.Cmp(high) < 0 {
		s.max = high
	}
	return nil
}

// addUp sums rows by step and dimension.
func addUp(rows []warehouse.MinuteRow, s span) ([]warehouse.Point, error) {
	type key struct {
		at        int64
		dimension string
	}
	groups := map[key]*sums{}
	for _, row := range rows {
		k := key{s.from.Add(row.Minute.Sub(s.from) / s.step * s.step).Unix(), row.Dimension}
		group := groups[k]
		if group == nil {
			group = &sums{}
			groups[k] = group
		}
		if err := group.add(row); err != nil {
			return nil, err
		}
	}
	points := make([]warehouse.Point, 0, len(groups))
	for k, g := range groups {
		if g.n == 0 {
			continue
		}
		p := warehouse.Point{At: time.Unix(k.at, 0).UTC(), Dimension: k.dimension, N: g.n}
		if g.measured {
			p.Sum, p.Min, p.Max = g.sum.String(), g.min.String(), g.max.String()
		}
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b warehouse.Point) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Dimension, b.Dimension))
	})
	return points, nil
}
