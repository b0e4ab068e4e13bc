package warehouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// ahead is how far in the future a loaded event may be.
const ahead = event.ArrivalMaxAhead

// codeSettles is how long executions of older code may continue to load after
// newer code has started: Lambda's maximum timeout.
const codeSettles = 15 * time.Minute

// SetMetrics activates exactly the declared metrics. Run it as streamctl_owner,
// at each deploy. A metric that is new, or was inactive, starts with the
// current minute: events of that minute and later that are already loaded are
// counted here, while loads are locked out.
func (d *DB) SetMetrics(ctx context.Context, declared []metric.Definition) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error { return setMetrics(ctx, tx, declared) })
	})
	if err != nil {
		return fmt.Errorf("set metrics: %w", err)
	}
	return nil
}

func setMetrics(ctx context.Context, tx pgx.Tx, declared []metric.Definition) error {
	if err := lockLoads(ctx, tx); err != nil {
		return err
	}
	keys := make([]string, len(declared))
	for i, d := range declared {
		keys[i] = d.Key()
	}
	_, err := tx.Exec(ctx, "UPDATE public.metric SET active = false WHERE active AND definition IS NOT NULL AND key <> ALL($1)", keys)
	if err != nil {
		return err
	}
	var begun []metric.Definition
	var since time.Time
	for i, d := range declared {
		text, err := metric.Encode(declared[i : i+1])
		if err != nil {
			return err
		}
		// No row is returned for a metric that is already active.
		rows, err := tx.Query(ctx, `INSERT INTO public.metric AS m (key, name, definition, fields, since) VALUES ($1, $2, $3, $4, date_trunc('minute', now()))
			ON CONFLICT (key) DO UPDATE SET active = true, definition = excluded.definition, since = excluded.since
			WHERE NOT m.active RETURNING since`, keys[i], d.Name, text, len(d.By))
		if err != nil {
			return err
		}
		at, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
		if err != nil {
			return err
		}
		if len(at) > 0 {
			begun, since = append(begun, d), at[0]
		}
	}
	if len(begun) == 0 {
		return nil
	}
	return rebuild(ctx, tx, rebuilding{from: since, to: since.Add(ahead + time.Minute), declared: begun})
}

// lockLoads locks out all loads until the transaction ends. The advisory lock is
// for loaders of the previous version, which still run during a deploy.
func lockLoads(ctx context.Context, tx pgx.Tx) error {
	var batch pgx.Batch
	batch.Queue("SELECT pg_advisory_xact_lock($1::int, $2::int)", lockSpace, lockLoad)
	batch.Queue("LOCK TABLE public.load_gate IN EXCLUSIVE MODE")
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("lock out loading: %w", err)
	}
	return nil
}

// registerCode registers the series of computed measures when they first occur.
// They are complete from the time when no older code can load any more and no
// event it loaded is in the future.
func registerCode(ctx context.Context, tx pgx.Tx, known map[string]bool, rows []Row) error {
	fresh := map[string]bool{}
	for _, r := range rows {
		for _, m := range r.Measures {
			if !known[m.Key] {
				fresh[m.Key] = true
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO public.metric (key, name, fields, since)
		SELECT key, key, 1, date_trunc('minute', now() + $2::interval) FROM unnest($1::text[]) key ON CONFLICT (key) DO NOTHING`,
		slices.Sorted(maps.Keys(fresh)), ahead+codeSettles+time.Minute)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

func decodeDefinitions(texts []string) ([]metric.Definition, error) {
	var all []metric.Definition
	for _, text := range texts {
		one, err := metric.Decode(text)
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// Since returns the time from which a series is complete; ok is false if it is
// complete from the beginning or not counted yet.
func (d *DB) Since(ctx context.Context, key string) (since time.Time, ok bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// Go can't represent -infinity.
		err := conn.QueryRow(ctx, "SELECT since FROM public.metric WHERE key = $1 AND isfinite(since)", key).Scan(&since)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("read metric %s: %w", key, err)
	}
	return since.UTC(), ok, nil
}

// MetricKey returns the active series of a metric name and its number of
// dimension fields.
func (d *DB) MetricKey(ctx context.Context, name string) (key string, by int, ok bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "SELECT key, fields FROM public.metric WHERE name = $1 AND active ORDER BY since DESC LIMIT 1", name).Scan(&key, &by)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return "", 0, false, fmt.Errorf("find metric %s: %w", name, err)
	}
	return key, by, ok, nil
}
