package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// MaxDimensions is the maximum number of values of a metric with rows of their
// own, in addition to reserved values; all other values are folded into
// OtherDimension.
const (
	MaxDimensions  = 100
	OtherDimension = "__other__"
	// maxDimensionBytes limits a value with rows of its own: together with the
	// metric's key it must fit into an index entry.
	maxDimensionBytes = 500
)

// place is the state of a dimension value of a metric.
type place struct {
	// active reports whether the value currently has rows of its own.
	active, reserved bool
	lastSeen         time.Time
	apart            apart
}

// apart lists the minutes in which a value has rows of its own: from
// (inclusive) to (exclusive), where nil means unbounded. A nil slice means
// always.
type apart []minutesApart

type minutesApart struct{ from, to *time.Time }

func (a apart) includes(minute time.Time) bool {
	if a == nil {
		return true
	}
	return slices.ContainsFunc(a, func(m minutesApart) bool {
		return (m.from == nil || !minute.Before(*m.from)) && (m.to == nil || minute.Before(*m.to))
	})
}

// metricPlaces holds the dimension values of a metric.
type metricPlaces struct {
	values map[string]place
	// used is the number of active values that are not reserved.
	used int
	// folded reports whether a value has ever been folded; rows of a new value
	// then start later.
	folded bool
}

// room returns how many more values can have rows of their own.
func (p *metricPlaces) room() int { return max(0, MaxDimensions-p.used) }

// unplaced returns the wanted values without rows of their own, sorted.
func (p *metricPlaces) unplaced(wanted map[string]bool) []string {
	var values []string
	for _, value := range slices.Sorted(maps.Keys(wanted)) {
		if !p.values[value].active && value != OtherDimension {
			values = append(values, value)
		}
	}
	return values
}

// limitDimensions folds values without rows of their own into OtherDimension,
// merges measures that then have the same key, and returns the number of folded
// events.
//
// Values are admitted and released in transactions that lock out loads. The
// exception is a metric that has never folded anything: its first values are
// admitted here, under a lock per metric, in the order of the metrics' names.
func limitDimensions(ctx context.Context, tx pgx.Tx, measures []RollupDelta) (limited []RollupDelta, folded int64, err error) {
	wanted := map[string]map[string]bool{}
	for _, m := range measures {
		if wanted[m.Metric] == nil {
			wanted[m.Metric] = map[string]bool{}
		}
		wanted[m.Metric][m.Dimension] = true
	}
	metrics := slices.Sorted(maps.Keys(wanted))
	known, err := readPlaces(ctx, tx, metrics, wanted)
	if err != nil {
		return nil, 0, fmt.Errorf("read dimensions: %w", err)
	}
	for _, metric := range metrics {
		p := known[metric]
		if p.folded || p.room() == 0 || len(p.unplaced(wanted[metric])) == 0 {
			continue
		}
		if known[metric], err = admit(ctx, tx, metric, wanted[metric]); err != nil {
			return nil, 0, fmt.Errorf("admit dimensions of %s: %w", metric, err)
		}
	}
	for i := range measures {
		m := &measures[i]
		p, ok := known[m.Metric].values[m.Dimension]
		if m.Dimension != OtherDimension && (!ok || !p.apart.includes(m.Minute)) {
			m.Dimension = OtherDimension
			folded += m.N
		}
	}
	if err := noteDimensions(ctx, tx, metrics, known, wanted); err != nil {
		return nil, 0, fmt.Errorf("record dimensions: %w", err)
	}
	limited, err = fold(measures)
	return limited, folded, err
}

// admit admits as many of the wanted values as there is room for in a metric
// that has never folded anything, and returns the metric's values.
func admit(ctx context.Context, tx pgx.Tx, metric string, wanted map[string]bool) (*metricPlaces, error) {
	if _, err := tx.Exec(ctx, "LOCK TABLE public.dimension_gate IN EXCLUSIVE MODE"); err != nil {
		return nil, err
	}
	all, err := readPlaces(ctx, tx, []string{metric}, map[string]map[string]bool{metric: wanted})
	if err != nil {
		return nil, err
	}
	p := all[metric]
	values := p.unplaced(wanted)
	if values = values[:min(len(values), p.room())]; p.folded || len(values) == 0 {
		return p, nil
	}
	_, err = tx.Exec(ctx, "INSERT INTO public.dimension (metric, value) SELECT $1, v FROM unnest($2::text[]) v ON CONFLICT DO NOTHING", metric, values)
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		p.values[value] = place{active: true, lastSeen: time.Now().UTC()}
		p.used++
	}
	return p, nil
}

// maxWanted is the maximum number of values of a metric that wait to be
// admitted.
const maxWanted = 2 * MaxDimensions

// noteDimensions records which metrics fold, which values could be admitted,
// and, once per day, that a value was seen.
func noteDimensions(ctx context.Context, tx pgx.Tx, metrics []string, known map[string]*metricPlaces, wanted map[string]map[string]bool) error {
	var folding, wantMetrics, wantValues, seenMetrics, seenValues []string
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for _, metric := range metrics {
		p := known[metric]
		unplaced := p.unplaced(wanted[metric])
		if len(unplaced) > 0 && !p.folded {
			folding = append(folding, metric)
		}
		for _, value := range unplaced[:min(len(unplaced), p.room())] {
			wantMetrics, wantValues = append(wantMetrics, metric), append(wantValues, value)
		}
		for _, value := range slices.Sorted(maps.Keys(wanted[metric])) {
			if place := p.values[value]; place.active && place.lastSeen.Before(today) {
				seenMetrics, seenValues = append(seenMetrics, metric), append(seenValues, value)
			}
		}
	}
	var batch pgx.Batch
	if len(folding) > 0 {
		batch.Queue("INSERT INTO public.dimension_folded (metric) SELECT m FROM unnest($1::text[]) m ON CONFLICT DO NOTHING", folding)
	}
	if len(wantValues) > 0 {
		batch.Queue(`INSERT INTO public.dimension_wanted (metric, value) SELECT m, v FROM unnest($1::text[], $2::text[]) u(m, v)
			WHERE (SELECT count(*) FROM public.dimension_wanted w WHERE w.metric = m) < $3 ON CONFLICT DO NOTHING`, wantMetrics, wantValues, maxWanted)
	}
	if len(seenValues) > 0 {
		// Concurrent loads skip locked rows: one update is enough.
		batch.Queue(`UPDATE public.dimension d SET last_seen = $3::date FROM (
				SELECT ctid FROM public.dimension WHERE (metric, value) IN (SELECT * FROM unnest($1::text[], $2::text[]) u(m, v)) AND last_seen < $3::date
				FOR UPDATE SKIP LOCKED) s
			WHERE d.ctid = s.ctid`, seenMetrics, seenValues, today)
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// readPlaces reads each metric's active values, and the wanted values even if
// they were released.
func readPlaces(ctx context.Context, tx pgx.Tx, metrics []string, wanted map[string]map[string]bool) (map[string]*metricPlaces, error) {
	known := make(map[string]*metricPlaces, len(metrics))
	asked := map[string]bool{}
	for _, metric := range metrics {
		known[metric] = &metricPlaces{values: map[string]place{}}
		maps.Copy(asked, wanted[metric])
	}
	rows, err := tx.Query(ctx, `SELECT metric, value, released_at IS NULL, reserved, last_seen, CASE WHEN apart <> '{(,)}' THEN
			ARRAY(SELECT coalesce(lower(r)::text, '') || '/' || coalesce(upper(r)::text, '') FROM unnest(apart) r) END
		FROM public.dimension WHERE metric = ANY($1) AND (released_at IS NULL OR value = ANY($2))
		UNION ALL SELECT metric, NULL, false, false, current_date, NULL FROM public.dimension_folded WHERE metric = ANY($1)`,
		metrics, slices.Collect(maps.Keys(asked)))
	if err != nil {
		return nil, err
	}
	var metric string
	var value *string
	var p place
	var ranges []string
	_, err = pgx.ForEachRow(rows, []any{&metric, &value, &p.active, &p.reserved, &p.lastSeen, &ranges}, func() (err error) {
		if value == nil {
			known[metric].folded = true
			return nil
		}
		if p.apart, err = parseApart(ranges); err != nil {
			return err
		}
		known[metric].values[*value] = p
		if p.active && !p.reserved {
			known[metric].used++
		}
		return nil
	})
	return known, err
}

// parseApart parses the ranges selected by readPlaces; nil means always.
func parseApart(ranges []string) (apart, error) {
	if ranges == nil {
		return nil, nil
	}
	minutes := make(apart, len(ranges))
	for i, text := range ranges {
		from, to, _ := strings.Cut(text, "/")
		for _, bound := range []struct {
			text string
			at   **time.Time
		}{{from, &minutes[i].from}, {to, &minutes[i].to}} {
			if bound.text == "" || strings.HasSuffix(bound.text, "infinity") {
				continue
			}
			at, err := time.Parse("2006-01-02 15:04:05.999999-07", bound.text)
			if err != nil {
				return nil, fmt.Errorf("read dimension: %w", err)
			}
			*bound.at = &at
		}
	}
	return minutes, nil
}

// fold sorts measures and merges those with the same key.
func fold(measures []RollupDelta) ([]RollupDelta, error) {
	sortMeasures(measures)
	var folded []RollupDelta
	for _, m := range measures {
		if n := len(folded); n > 0 && folded[n-1].Metric == m.Metric && folded[n-1].Minute.Equal(m.Minute) && folded[n-1].Dimension == m.Dimension {
			if err := folded[n-1].add(m); err != nil {
				return nil, err
			}
			continue
		}
		folded = append(folded, m)
	}
	return folded, nil
}
