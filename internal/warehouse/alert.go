package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/alert"
)

// alertDays is how long changes of alerts are kept.
const alertDays = 400

// Alert is a declared alert with its state.
type Alert struct {
	Definition alert.Definition
	alert.State
	// Evaluated is the end of the newest evaluated minute.
	Evaluated time.Time
	// Version is the definition's when it was evaluated.
	Version string
}

// AlertChange is a change of an alert's state. Value is nil without data.
type AlertChange struct {
	Name  string
	At    time.Time
	State string
	// Before is the state before; empty for the first one. It is not stored.
	Before string
	Value  *float64
}

// Alerts lists the alerts with their states by name, including those that are not
// declared anymore but whose rows are not deleted yet.
func (d *DB) Alerts(ctx context.Context) (all []Alert, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT version, definition, state, since, holds, value, evaluated FROM public.alert ORDER BY name")
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanAlert)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return all, nil
}

func scanAlert(row pgx.CollectableRow) (a Alert, err error) {
	var definition []byte
	var holds *time.Time
	var value *float64
	if err := row.Scan(&a.Version, &definition, &a.State.State, &a.Since, &holds, &value, &a.Evaluated); err != nil {
		return a, err
	}
	a.Since, a.Evaluated = a.Since.UTC(), a.Evaluated.UTC()
	if holds != nil {
		a.Holds = holds.UTC()
	}
	if value != nil {
		a.Value = *value
	}
	return a, json.Unmarshal(definition, &a.Definition)
}

// AlertChanges lists the changes since a time, the oldest first.
func (d *DB) AlertChanges(ctx context.Context, since time.Time) (all []AlertChange, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT name, at, state, value FROM public.alert_change WHERE at >= $1 ORDER BY at, name", since)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c AlertChange, err error) {
			err = row.Scan(&c.Name, &c.At, &c.State, &c.Value)
			c.At = c.At.UTC()
			return c, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read changes of alerts: %w", err)
	}
	return all, nil
}

// SaveAlerts replaces the states of all alerts and adds changes, in one transaction. An
// alert whose stored state is newer keeps it: another invocation was faster.
func (d *DB) SaveAlerts(ctx context.Context, alerts []Alert, changes []AlertChange) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error { return saveAlerts(ctx, tx, alerts, changes) })
	})
	if err != nil {
		return fmt.Errorf("save alerts: %w", err)
	}
	return nil
}

func saveAlerts(ctx context.Context, tx pgx.Tx, alerts []Alert, changes []AlertChange) error {
	var batch pgx.Batch
	names := make([]string, 0, len(alerts))
	for _, a := range alerts {
		names = append(names, a.Definition.Name)
		definition, err := json.Marshal(a.Definition)
		if err != nil {
			return err
		}
		batch.Queue(`INSERT INTO public.alert AS a (name, version, definition, state, since, holds, value, evaluated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version, definition = excluded.definition, state = excluded.state, since = excluded.since,
				holds = excluded.holds, value = excluded.value, evaluated = excluded.evaluated
			WHERE a.evaluated <= excluded.evaluated OR a.version <> excluded.version`,
			a.Definition.Name, a.Version, definition, a.State.State, a.Since, optionalTime(a.Holds), numberOf(a.State), a.Evaluated)
	}
	batch.Queue("DELETE FROM public.alert WHERE name <> ALL($1)", names)
	for _, c := range changes {
		batch.Queue("INSERT INTO public.alert_change (name, at, state, value) VALUES ($1, $2, $3, $4) ON CONFLICT (name, at) DO UPDATE SET state = excluded.state, value = excluded.value",
			c.Name, c.At, c.State, c.Value)
	}
	return tx.SendBatch(ctx, &batch).Close()
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func numberOf(s alert.State) *float64 {
	if s.State == alert.NoData {
		return nil
	}
	return &s.Value
}

// DeleteOldChanges deletes changes of alerts after alertDays.
func (d *DB) DeleteOldChanges(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM public.alert_change WHERE at < now() - make_interval(days => $1)", alertDays)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("delete old changes of alerts: %w", err)
	}
	return nil
}

// Totals reads the minutes of a series from (inclusive) to (exclusive), added up over the
// dimension values, or of one value if it is given.
func (d *DB) Totals(ctx context.Context, key string, value *string, from, to time.Time) (out []alert.Minute, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT bucket, sum(n)::bigint, sum(sum)::float8, coalesce(min(min), 0)::float8, coalesce(max(max), 0)::float8
			FROM public.metric_minute WHERE metric = $1 AND bucket >= $2 AND bucket < $3 AND n > 0 AND ($4::text IS NULL OR dimension = $4)
			GROUP BY bucket ORDER BY bucket`, key, from, to, value)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m alert.Minute, err error) {
			err = row.Scan(&m.At, &m.N, &m.Sum, &m.Min, &m.Max)
			m.At = m.At.UTC()
			return m, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read minutes of %s: %w", key, err)
	}
	return out, nil
}

// Progress is the newest chunk of a shard that was loaded from the stream.
type Progress struct {
	Shard, LastSeq string
	Arrived        time.Time
}

// LoadProgress returns the progress of the shards that loaded a chunk since a time.
func (d *DB) LoadProgress(ctx context.Context, since time.Time) (all []Progress, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT DISTINCT ON (shard) shard, last_seq, arrived FROM public.load_batch
			WHERE job IS NULL AND arrived IS NOT NULL AND loaded_at >= $1 ORDER BY shard, id DESC`, since)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Progress])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read progress of loads: %w", err)
	}
	return all, nil
}

// MayBeFolded reports whether events with a dimension value may be counted under
// another one.
func (d *DB) MayBeFolded(ctx context.Context, key, value string) (folded bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.dimension_folded WHERE metric = $1) AND NOT EXISTS
			(SELECT FROM public.dimension WHERE metric = $1 AND value = $2 AND apart @> tstzrange(NULL, now()))`, key, value).Scan(&folded)
	})
	if err != nil {
		return false, fmt.Errorf("look up dimension value: %w", err)
	}
	return folded, nil
}
