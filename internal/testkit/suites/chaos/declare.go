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

// Declared is the metric that the runs count beside events by type.
func Declared() metric.Definition {
	return metric.Definition{
		Name: "revenue", EventType: "purchase", By: []string{"properties.country"},
		Sum: "properties.amount", Min: "properties.amount", Max: "properties.amount",
	}
}

// declaredAnew is the same metric, told apart by more: another series.
func declaredAnew() metric.Definition {
	d := Declared()
	d.By = []string{"properties.country", "eventType"}
	return d
}

// declaration is a declared metric; it counts everything since a time, the zero
// one for always.
type declaration struct {
	metric.Definition
	since time.Time
}

// dimension is an event's, written without the product's own code.
func (d declaration) dimension(e *Sent) string {
	if len(d.By) == 1 {
		return e.Country
	}
	text, err := json.Marshal([]string{e.Country, e.Kind})
	if err != nil {
		return "" // strings alone can't fail
	}
	return string(text)
}

// Declarations are the metric's, one after the other.
type Declarations struct {
	// changing is held while one is changed.
	changing sync.Mutex

	mu  sync.Mutex
	now declaration
	// ended are those that aren't counted any more.
	ended []ended
}

// ended is a declaration, and what it came to in the end.
type ended struct {
	declaration
	totals map[series]*total
}

// Now is what is declared.
func (d *Declarations) Now() declaration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// next notes what is declared now, and what the last one came to.
func (d *Declarations) next(now declaration, last ended) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
	d.ended = slices.DeleteFunc(append(d.ended, last), func(e ended) bool { return e.Key() == now.Key() })
}

// shifted lets now() be the run's time for who has the schema in the search path,
// in which a series begins.
const shifted = `
	CREATE SCHEMA IF NOT EXISTS shifted;
	GRANT USAGE ON SCHEMA shifted TO PUBLIC;
	CREATE OR REPLACE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT timestamptz '%s' $$`

// redeclare changes the declared metric, while events come in.
func (w *World) redeclare(ctx context.Context, to metric.Definition) error {
	w.Declarations.changing.Lock()
	defer w.Declarations.changing.Unlock()
	was, now := w.Declarations.Now(), w.Clock.Now()
	if err := w.superuser(ctx, fmt.Sprintf(shifted, now.Format(time.RFC3339Nano))); err != nil {
		return err
	}
	done := w.Commits.Recounting(now.Add(-time.Minute), now.Add(time.Hour)) // from its minute on, for a series that comes back
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

// only leaves the rows of the metric's two series.
func (d declaration) only(rows []warehouse.MinuteRow) []warehouse.MinuteRow {
	return slices.DeleteFunc(slices.Clone(rows), func(row warehouse.MinuteRow) bool { return !d.has(row.Metric) })
}

// has says that a series is the metric's, or that of the events it passed over.
func (d declaration) has(key string) bool { return key == d.Key() || key == metric.SkippedKey(d.Key()) }
