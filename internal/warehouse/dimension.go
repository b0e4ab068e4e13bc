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
	known := map[string]map[string]bool{}
	for _, metric := range slices.Sorted(maps.Keys(wanted)) {
		values, err := admit(ctx, tx, metric, slices.Sorted(maps.Keys(wanted[metric])))
		if err != nil {
			return nil, fmt.Errorf("admit dimensions of %s: %w", metric, err)
		}
		known[metric] = values
	}
	for i := range measures {
		if m := &measures[i]; !known[m.Metric][m.Dimension] {
			m.Dimension = OtherDimension
		}
	}
	return fold(measures)
}

// admit gives the values that the metric tells apart, after taking in as many
// of the wanted ones, which are sorted, as there is room for.
func admit(ctx context.Context, tx pgx.Tx, metric string, wanted []string) (map[string]bool, error) {
	for locked := false; ; locked = true {
		known, err := knownDimensions(ctx, tx, metric)
		if err != nil {
			return nil, err
		}
		var fresh []string
		for _, value := range wanted {
			if !known[value] && value != OtherDimension && len(known)+len(fresh) < MaxDimensions {
				fresh = append(fresh, value)
			}
		}
		if len(fresh) == 0 {
			return known, nil
		}
		if !locked {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::int, hashtext($2))", lockDimension, metric); err != nil {
				return nil, err
			}
			continue
		}
		_, err = tx.Exec(ctx, "INSERT INTO dimension (metric, value) SELECT $1, v FROM unnest($2::text[]) v ON CONFLICT DO NOTHING", metric, fresh)
		if err != nil {
			return nil, err
		}
		for _, value := range fresh {
			known[value] = true
		}
		return known, nil
	}
}

func knownDimensions(ctx context.Context, tx pgx.Tx, metric string) (map[string]bool, error) {
	rows, err := tx.Query(ctx, "SELECT value FROM dimension WHERE metric = $1", metric)
	if err != nil {
		return nil, err
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(values))
	for _, v := range values {
		known[v] = true
	}
	return known, nil
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
