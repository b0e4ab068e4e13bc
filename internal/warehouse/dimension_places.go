package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// ReleaseAfterDays is how many days a value keeps its rows without being
// loaded.
const ReleaseAfterDays = 30

// releaseAhead is how far in the future the events of a load may be: until then
// a released value still has rows of its own.
const releaseAhead = event.ArrivalMaxAhead + time.Hour

// GivePlaces admits waiting values as far as there is room. Loads are locked
// out meanwhile. Run it as streamctl_owner.
func (d *DB) GivePlaces(ctx context.Context) (given int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var waiting bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM public.dimension_wanted)").Scan(&waiting); err != nil || !waiting {
			return err
		}
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, `WITH wanted AS (DELETE FROM public.dimension_wanted RETURNING metric, value, wanted_at)
				SELECT metric, array_agg(value ORDER BY wanted_at, value) FROM wanted GROUP BY metric ORDER BY metric`)
			if err != nil {
				return err
			}
			type wanted struct {
				Metric string
				Values []string
			}
			all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[wanted])
			if err != nil {
				return err
			}
			for _, w := range all {
				places, err := readPlaces(ctx, tx, []string{w.Metric}, nil)
				if err != nil {
					return err
				}
				values := w.Values[:min(len(w.Values), places[w.Metric].room())]
				if err := givePlaces(ctx, tx, w.Metric, values, false); err != nil {
					return err
				}
				given += len(values)
			}
			return nil
		})
	})
	if err != nil {
		return 0, fmt.Errorf("admit dimension values: %w", err)
	}
	return given, nil
}

// givePlaces admits values, starting with the minute after the last one in
// which the metric folded anything. Loads must be locked out.
func givePlaces(ctx context.Context, tx pgx.Tx, metric string, values []string, reserved bool) error {
	if len(values) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		WITH begins AS (SELECT CASE WHEN EXISTS (SELECT FROM public.dimension_folded WHERE metric = $1) THEN (
			SELECT max(bucket) + interval '1 minute' FROM public.metric_minute WHERE metric = $1 AND dimension = $4 AND n > 0) END AS at)
		INSERT INTO public.dimension AS d (metric, value, apart, last_seen, reserved)
		SELECT $1, v, tstzmultirange(tstzrange(begins.at, NULL)), current_date, $3 FROM unnest($2::text[]) v, begins
		ON CONFLICT (metric, value) DO UPDATE SET reserved = excluded.reserved, last_seen = excluded.last_seen, released_at = NULL,
			apart = CASE WHEN d.released_at IS NULL THEN d.apart ELSE d.apart + excluded.apart END`, metric, values, reserved, OtherDimension)
	return err
}

// ReleaseValues releases values that no event was loaded with since a day
// (UTC), in metrics that fold. Reserved values are not released. Run it as
// streamctl_owner.
func (d *DB) ReleaseValues(ctx context.Context, unseenSince time.Time) (released int, err error) {
	const unseen = `released_at IS NULL AND NOT reserved AND last_seen < $1::date AND metric IN (SELECT metric FROM public.dimension_folded)`
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var found bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM public.dimension WHERE "+unseen+")", unseenSince).Scan(&found); err != nil || !found {
			return err
		}
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, "UPDATE public.dimension SET "+releasing+" WHERE "+unseen, unseenSince, releaseAhead)
			released = int(tag.RowsAffected())
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("release dimension values: %w", err)
	}
	return released, nil
}

// releasing ends a value's rows after the last minute that a load may reach.
const releasing = "released_at = now(), apart = apart * tstzmultirange(tstzrange(NULL, date_trunc('minute', now() + $2::interval)))"

// ForgetValues releases values of a metric and returns those that were active.
// A released value is admitted again when it is loaded again. Run it as
// streamctl_owner.
func (d *DB) ForgetValues(ctx context.Context, metric string, values []string) (forgotten []string, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, "UPDATE public.dimension SET "+releasing+" WHERE released_at IS NULL AND metric = $1 AND value = ANY($3) RETURNING value", metric, releaseAhead, values)
			if err != nil {
				return err
			}
			if forgotten, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(forgotten) == 0 {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO public.dimension_folded (metric) VALUES ($1) ON CONFLICT DO NOTHING", metric)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("release dimension values of %s: %w", metric, err)
	}
	return forgotten, nil
}

// ReserveEventTypes reserves rows for event types, in addition to
// MaxDimensions, and removes all other reservations. Run it as streamctl_owner,
// at each deploy.
func (d *DB) ReserveEventTypes(ctx context.Context, types []string) error {
	if types == nil {
		types = []string{}
	}
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE public.dimension SET reserved = false WHERE metric = $1 AND reserved AND value <> ALL($2)", MetricEvents, types); err != nil {
				return err
			}
			return givePlaces(ctx, tx, MetricEvents, types, true)
		})
	})
	if err != nil {
		return fmt.Errorf("reserve event types: %w", err)
	}
	return nil
}

// Value is a value of a metric that has, or had, rows of its own.
type Value struct {
	Value string
	// Reserved values do not count towards MaxDimensions.
	Reserved bool
	// LastSeen is the day (UTC) on which it was last loaded.
	LastSeen time.Time
	// ReleasedAt is when it was released; nil for an active value.
	ReleasedAt *time.Time
}

// Values lists the values of a metric's series, active ones first.
func (d *DB) Values(ctx context.Context, metric string) (values []Value, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT value, reserved, last_seen, released_at FROM public.dimension
			WHERE metric = $1 ORDER BY released_at IS NOT NULL, value`, metric)
		if err != nil {
			return err
		}
		values, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Value])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list values of %s: %w", metric, err)
	}
	return values, nil
}
