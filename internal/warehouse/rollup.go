package warehouse

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// MetricEvents is the built-in metric's series: events by type.
const MetricEvents = "events"

// Slots is the number of rows per minute and dimension, so that concurrent
// shards don't wait for each other's commits.
const Slots = 8

// RollupDelta is the change of one rollup row by a chunk.
type RollupDelta struct {
	Metric    string
	Minute    time.Time
	Dimension string
	N         int64
	// Sum, Min and Max are decimal numbers; Min and Max are empty for a metric
	// that only counts.
	Sum, Min, Max string
}

// MinuteRow is a rollup row.
type MinuteRow struct {
	Metric    string
	Minute    time.Time
	Dimension string
	Slot      int
	// Rev increases by one with every change of the row.
	Rev           int64
	N             int64
	Sum, Min, Max string
}

func slotOf(shard string) int {
	h := fnv.New32a()
	h.Write([]byte(shard))
	return int(h.Sum32() % Slots)
}

// sortMeasures sorts by the key of metric_minute, the order in which the rows
// are locked.
func sortMeasures(measures []RollupDelta) {
	slices.SortFunc(measures, func(a, b RollupDelta) int {
		if c := strings.Compare(a.Metric, b.Metric); c != 0 {
			return c
		}
		if c := a.Minute.Compare(b.Minute); c != 0 {
			return c
		}
		return strings.Compare(a.Dimension, b.Dimension)
	})
}

// addToRollups adds sorted measures, one per key, and sets changed to the rows'
// new values.
func addToRollups(batch *pgx.Batch, slot int, measures []RollupDelta, changed *[]MinuteRow) {
	if len(measures) == 0 {
		return
	}
	n := len(measures)
	metrics, minutes, dimensions, counts := make([]string, n), make([]time.Time, n), make([]string, n), make([]int64, n)
	sums, mins, maxs := make([]string, n), make([]*string, n), make([]*string, n)
	for i, m := range measures {
		metrics[i], minutes[i], dimensions[i], counts[i], sums[i] = m.Metric, m.Minute, m.Dimension, m.N, m.Sum
		mins[i], maxs[i] = textOrNull(m.Min), textOrNull(m.Max)
	}
	// unnest keeps this order, so the rows are locked in it.
	batch.Queue(`
		INSERT INTO public.metric_minute AS m (metric, bucket, dimension, slot, rev, n, sum, min, max)
		SELECT metric, bucket, dimension, $1, 1, n, sum::numeric, min::numeric, max::numeric
		FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
		     AS u(metric, bucket, dimension, n, sum, min, max)
		ON CONFLICT (metric, bucket, dimension, slot) DO UPDATE SET
			rev = m.rev + 1, n = m.n + excluded.n, sum = m.sum + excluded.sum,
			min = least(m.min, excluded.min), max = greatest(m.max, excluded.max)
		RETURNING m.metric, m.bucket, m.dimension, m.slot, m.rev, m.n, m.sum::text, coalesce(m.min::text, ''), coalesce(m.max::text, '')`,
		slot, metrics, minutes, dimensions, counts, sums, mins, maxs,
	).Query(func(rows pgx.Rows) (err error) {
		*changed, err = pgx.CollectRows(rows, minuteRow)
		return err
	})
}

func minuteRow(row pgx.CollectableRow) (r MinuteRow, err error) {
	err = row.Scan(&r.Metric, &r.Minute, &r.Dimension, &r.Slot, &r.Rev, &r.N, &r.Sum, &r.Min, &r.Max)
	r.Minute = r.Minute.UTC()
	return r, err
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
