package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Declared is the metric that the runs count in addition to events by type.
func Declared() metric.Definition {
	return metric.Definition{
		Name: "revenue", EventType: "purchase", By: []string{"properties.country"},
		Sum: "properties.amount", Min: "properties.amount", Max: "properties.amount",
	}
}

// declaredAnew is the same metric with other dimensions: another series.
func declaredAnew() metric.Definition {
	d := Declared()
	d.By = []string{"properties.country", "eventType"}
	return d
}

// declaration is a declared metric; it counts everything since a time, or
// always for the zero time.
type declaration struct {
	metric.Definition
	since time.Time
}

// dimension returns an event's dimension, computed without the product's own
// code.
func (d declaration) dimension(e *Sent) string {
	if len(d.By) == 1 {
		return e.Country
	}
	text, err := json.Marshal([]string{e.Country, e.Kind})
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// Declarations are the metric's successive declarations.
type Declarations struct {
	// changing is held during a change.
	changing sync.Mutex

	mu  sync.Mutex
	now declaration
	// ended are the inactive declarations.
	ended []ended
}

// ended is a declaration with its final totals.
type ended struct {
	declaration
	totals map[series]*total
}

// Now returns the current declaration.
func (d *Declarations) Now() declaration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// next records the new declaration, and the totals of the last one.
func (d *Declarations) next(now declaration, last ended) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
	d.ended = slices.DeleteFunc(append(d.ended, last), func(e ended) bool { return e.Key() == now.Key() })
}

// shifted redefines now() as the run's time, for sessions with this schema in
// the search path.
const shifted = `
	CREATE SCHEMA IF NOT EXISTS shifted;
	GRANT USAGE ON SCHEMA shifted TO PUBLIC;
	CREATE OR REPLACE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT timestamptz '%s' $$`

// redeclare changes the declared metric while events are loaded.
func (w *World) redeclare(ctx context.Context, to metric.Definition) error {
	w.Declarations.changing.Lock()
	defer w.Declarations.changing.Unlock()
	was, now := w.Declarations.Now(), w.Clock.Now()
	if err := w.superuser(ctx, fmt.Sprintf(shifted, now.Format(time.RFC3339Nano))); err != nil {
		return err
	}
	done := w.Commits.Recounting(now.Add(-time.Minute), now.Add(time.Hour)) // from its minute on, for a series that is reactivated
	defer done()
	owner := warehouse.NewURL(w.Servers.URL(contract.RoleOwner, w.Database) + "&search_path=shifted,pg_catalog,public")
	defer func() { _ = owner.Close(ctx) }()
	err := w.patiently(ctx, func() error { return owner.SetMetrics(ctx, []metric.Definition{to}) })
	if err != nil {
		return err
	}
	var rows []warehouse.MinuteRow
	next := declaration{Definition: to}
	err = w.patiently(ctx, func() error {
		conn, err := w.connect(ctx)
		if err != nil {
			return err
		}
		err = conn.QueryRow(ctx, "SELECT since FROM metric WHERE key = $1 AND active", to.Key()).Scan(&next.since)
		if err == nil {
			rows, err = rollupRows(ctx, conn, "")
		}
		return errors.Join(err, conn.Close(ctx))
	})
	if err != nil {
		return err
	}
	if !next.since.Equal(now.Truncate(time.Minute)) {
		return fmt.Errorf("%s begins at %s, declared at %s", to.Name, next.since, now)
	}
	w.Declarations.next(next, ended{was, addUp(was.only(rows))})
	return nil
}

// only returns the rows of the metric's two series.
func (d declaration) only(rows []warehouse.MinuteRow) []warehouse.MinuteRow {
	return slices.DeleteFunc(slices.Clone(rows), func(row warehouse.MinuteRow) bool { return !d.has(row.Metric) })
}

// has reports whether a series belongs to the metric, including its skipped
// events.
func (d declaration) has(key string) bool { return key == d.Key() || key == metric.SkippedKey(d.Key()) }
