package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Reader reads like query: first the cache, then PostgreSQL, which fills the
// cache; and it checks each result.
type Reader struct {
	Cache   *cache.Cache
	DB      *warehouse.DB
	Commits *Commits
	clock   *Clock

	// Answers counts the minutes found in the cache, Filled the missing ones;
	// Wrong lists the errors found.
	Answers, Filled int
	Wrong           []string
}

// Ask reads minutes of a metric. Unavailable servers are not an error.
func (r *Reader) Ask(ctx context.Context, metric string, minutes []time.Time) error {
	var missing []time.Time
	for _, m := range minutes {
		found, err := r.Cache.Minutes(ctx, metric, []time.Time{m})
		if err != nil || len(found.Missing) > 0 {
			missing = append(missing, m)
			continue
		}
		r.Answers++
		if lacks := r.Commits.Behind(metric, m, found.Rows, found.AsOf); lacks != "" {
			r.Wrong = append(r.Wrong, lacks)
		}
	}
	asked := r.clock.Now()
	rows, err := r.Cache.Fill(ctx, r.DB, metric, missing)
	var write *cache.WriteError
	if err != nil && !errors.As(err, &write) {
		return ctx.Err()
	}
	byMinute := map[int64][]warehouse.MinuteRow{}
	for _, row := range rows {
		byMinute[row.Minute.Unix()] = append(byMinute[row.Minute.Unix()], row)
	}
	for _, m := range missing {
		r.Filled++
		if lacks := r.Commits.Behind(metric, m, byMinute[m.Unix()], asked); lacks != "" {
			r.Wrong = append(r.Wrong, "from PostgreSQL: "+lacks)
		}
	}
	return nil
}
