package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Reader asks the cache as query does: the cache first, then PostgreSQL, which fills the
// cache; and it checks each answer.
type Reader struct {
	Cache   *cache.Cache
	DB      *warehouse.DB
	Commits *Commits
	clock   *Clock

	// Answers counts the minutes that the cache had, Filled those that it had
	// not; Wrong has what was wrong with them.
	Answers, Filled int
	Wrong           []string
}

// Ask reads minutes of a metric. Servers that are away are no error.
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
