package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// MaxDimensions is how many values a metric tells apart; all others together
// are OtherDimension.
const (
	MaxDimensions  = 100
	OtherDimension = "__other__"
	// maxDimensionBytes bounds a value that is told apart: with the metric's
	// key it has to fit into an index entry.
	maxDimensionBytes = 500
)

// limitDimensions replaces the values that a metric doesn't tell apart, and
// adds up what then falls together. The first MaxDimensions values that a
// metric meets stay for ever, so that a recount gives the same rows.
//
// A value that is known, and a metric that is full, are both final and need no
// lock. Only for a value that may yet be admitted does it take the metric's
// lock, metrics in the order of their names, and look again.
func limitDimensions(ctx context.Context, tx pgx.Tx, measures []Measure) ([]Measure, error) {
	wanted := map[string]map[string]bool{}
	for _, m := range measures {
		if wanted[m.Metric] == nil {
			wanted[m.Metric] = map[string]bool{}
		}
		wanted[m.Metric][m.Dimension] = true
	}
	metrics := slices.Sorted(maps.Keys(wanted))
	known, err := knownDimensions(ctx, tx, metrics)
	if err != nil {
		return nil, fmt.Errorf("read dimensions: %w", err)
	}
	for _, metric := range metrics {
		if len(fresh(known[metric], wanted[metric])) == 0 {
			continue
		}
		if known[metric], err = admit(ctx, tx, metric, wanted[metric]); err != nil {
			return nil, fmt.Errorf("admit dimensions of %s: %w", metric, err)
		}
	}
	for i := range measures {
		if m := &measures[i]; !known[m.Metric][m.Dimension] {
			m.Dimension = OtherDimension
		}
	}
	return fold(measures)
}

// fresh are the wanted values that there is room for beside the known ones, in
// order.
func fresh(known, wanted map[string]bool) []string {
	var values []string
	for _, value := range slices.Sorted(maps.Keys(wanted)) {
		if !known[value] && value != OtherDimension && len(known)+len(values) < MaxDimensions {
			values = append(values, value)
		}
	}
	return values
}

// admit takes in as many of the wanted values as there is room for, alone, and
// gives those that the metric then tells apart.
func admit(ctx context.Context, tx pgx.Tx, metric string, wanted map[string]bool) (map[string]bool, error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::int, hashtext($2))", lockDimension, metric); err != nil {
		return nil, err
	}
	all, err := knownDimensions(ctx, tx, []string{metric})
	if err != nil {
		return nil, err
	}
	known := all[metric]
	values := fresh(known, wanted)
	if len(values) == 0 {
		return known, nil
	}
	_, err = tx.Exec(ctx, "INSERT INTO public.dimension (metric, value) SELECT $1, v FROM unnest($2::text[]) v ON CONFLICT DO NOTHING", metric, values)
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		known[value] = true
	}
	return known, nil
}

// knownDimensions are the values that each metric tells apart.
func knownDimensions(ctx context.Context, tx pgx.Tx, metrics []string) (map[string]map[string]bool, error) {
	known := make(map[string]map[string]bool, len(metrics))
	for _, metric := range metrics {
		known[metric] = map[string]bool{}
	}
	rows, err := tx.Query(ctx, "SELECT metric, value FROM public.dimension WHERE metric = ANY($1)", metrics)
	if err != nil {
		return nil, err
	}
	var metric, value string
	_, err = pgx.ForEachRow(rows, []any{&metric, &value}, func() error {
		known[metric][value] = true
		return nil
	})
	return known, err
}

// fold sorts measures and adds up those of one key.
func fold(measures []Measure) ([]Measure, error) {
	sortMeasures(measures)
	var folded []Measure
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
