package maintenance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Alerts stores the states of alerts; *warehouse.DB satisfies it.
type Alerts interface {
	Alerts(context.Context) ([]warehouse.Alert, error)
	SaveAlerts(context.Context, []warehouse.Alert, []warehouse.AlertChange) error
	// LoadProgress returns the progress of the shards that loaded a chunk since a time.
	LoadProgress(ctx context.Context, since time.Time) ([]warehouse.Progress, error)
	DeleteOldChanges(context.Context) error
}

// Numbers reads the rollups for alerts; *warehouse.DB satisfies it.
type Numbers interface {
	Totals(ctx context.Context, key string, value *string, from, to time.Time) ([]alert.Minute, error)
	MetricKey(ctx context.Context, name string) (key string, by int, ok bool, err error)
	Since(ctx context.Context, key string) (since time.Time, ok bool, err error)
	MayBeFolded(ctx context.Context, key, value string) (bool, error)
}

const (
	// alertDelay is the time between the end of a minute and its evaluation, in which
	// its events arrive and are loaded.
	alertDelay = time.Minute
	// maxCatchUp is the age of a minute from which it is not evaluated anymore.
	maxCatchUp = 48 * time.Hour
)

// watch evaluates alerts, in one invocation.
type watch struct {
	*Handler
	// found are the series that were looked up.
	found map[alert.Series]series
}

// series describes a series of the warehouse.
type series struct {
	// key is empty for a metric that is declared, and not counted before the next
	// migration.
	key string
	// value is the dimension value; nil for all.
	value *string
	// since is the time from which the series is complete; the zero time means always.
	since time.Time
	// folded reports that events may be counted under another value.
	folded bool
}

// alerts evaluates the declared alerts for every minute since the last evaluation.
func (h watch) alerts(ctx context.Context) error {
	definitions, err := alert.Decode(h.env.Alerts)
	if err != nil {
		return err
	}
	stored, err := h.Warehouse.Alerts.Alerts(ctx)
	if err != nil || len(definitions) == 0 && len(stored) == 0 {
		return err
	}
	newest := h.Clock.Now().Add(-alertDelay).Truncate(time.Minute)
	all := resume(definitions, stored, newest)
	known, err := h.knownUntil(ctx, all, newest)
	if err != nil {
		return err
	}
	var changes []warehouse.AlertChange
	for i := range all {
		more, err := h.evaluate(ctx, &all[i], known)
		if err != nil {
			return fmt.Errorf("evaluate alert %s: %w", all[i].Definition.Name, err)
		}
		changes = append(changes, more...)
	}
	if err := h.Warehouse.Alerts.SaveAlerts(ctx, all, changes); err != nil {
		return err
	}
	h.publish(ctx, all, changes, newest)
	return nil
}

// resume returns the declared alerts with their stored states. A new or changed alert
// starts with the newest minute.
func resume(definitions []alert.Definition, stored []warehouse.Alert, known time.Time) []warehouse.Alert {
	all := make([]warehouse.Alert, 0, len(definitions))
	for _, d := range definitions {
		a := warehouse.Alert{Definition: d, Version: d.Version(), Evaluated: known.Add(-time.Minute)}
		for _, s := range stored {
			if s.Definition.Name == d.Name && s.Version == a.Version {
				a.State, a.Evaluated = s.State, s.Evaluated
			}
		}
		if oldest := known.Add(-maxCatchUp); a.Evaluated.Before(oldest) {
			a.Evaluated = oldest
		}
		all = append(all, a)
	}
	return all
}

// knownUntil returns the time up to which all events are loaded, at most known. A minute
// after it is not evaluated yet: its events may exist. Only alerts about few events need
// this. The archive, which does not depend on the processor, has the records that are not
// loaded.
func (h watch) knownUntil(ctx context.Context, all []warehouse.Alert, known time.Time) (time.Time, error) {
	oldest, needed := known, false
	for _, a := range all {
		needed = needed || a.Definition.IsAboutLittle()
		if a.Evaluated.Before(oldest) {
			oldest = a.Evaluated
		}
	}
	if !needed {
		return known, nil
	}
	since := oldest.Add(-time.Hour)
	progress, err := h.Warehouse.Alerts.LoadProgress(ctx, since)
	if err != nil {
		return known, err
	}
	loaded := map[string]warehouse.Progress{}
	for _, p := range progress {
		loaded[p.Shard] = p
	}
	for hour := since.Truncate(time.Hour); !hour.After(h.Clock.Now()); hour = hour.Add(time.Hour) {
		objects, err := h.Archive.Objects(ctx, hour)
		if err != nil {
			return known, fmt.Errorf("list archive of %s: %w", hour.Format(time.RFC3339), err)
		}
		for _, o := range objects {
			p, ok := loaded[o.Shard]
			switch {
			case !ok && o.Hour.Before(since): // it may have been loaded before since
			case !ok && o.Hour.Before(known):
				known = o.Hour
			case ok && archive.CompareSequences(o.Last, p.LastSeq) > 0 && p.Arrived.Before(known):
				known = p.Arrived.Truncate(time.Minute)
			}
		}
	}
	return known, nil
}

// evaluate moves an alert to the state after the minute that ends at known, and returns
// its changes.
func (h watch) evaluate(ctx context.Context, a *warehouse.Alert, known time.Time) (changes []warehouse.AlertChange, err error) {
	if !a.Evaluated.Before(known) {
		return nil, nil
	}
	data, err := h.read(ctx, a.Definition.Needs(a.Evaluated, known))
	if err != nil {
		return nil, err
	}
	for end := a.Evaluated.Add(time.Minute); !end.After(known); end = end.Add(time.Minute) {
		next, err := a.Definition.Next(a.State, end, data)
		if err != nil {
			return nil, err
		}
		if next.State != a.State.State {
			c := warehouse.AlertChange{Name: a.Definition.Name, At: end, State: next.State, Before: a.State.State}
			if next.State != alert.NoData {
				c.Value = &next.Value
			}
			changes = append(changes, c)
		}
		a.State, a.Evaluated = next, end
	}
	return changes, nil
}

// read reads the minutes of the ranges.
func (h watch) read(ctx context.Context, needs []alert.Need) (alert.Data, error) {
	data := alert.Data{Minutes: map[alert.Series][]alert.Minute{}, Since: map[alert.Series]time.Time{}, Folded: map[alert.Series]bool{}}
	for _, n := range needs {
		s, err := h.find(ctx, n.Series)
		if err != nil {
			return data, err
		}
		data.Since[n.Series], data.Folded[n.Series] = s.since, s.folded
		if s.key == "" {
			continue
		}
		minutes, err := h.Warehouse.Numbers.Totals(ctx, s.key, s.value, n.From, n.To)
		if err != nil {
			return data, err
		}
		data.Minutes[n.Series] = append(data.Minutes[n.Series], minutes...)
	}
	return data, nil
}

// find looks a series up, once per invocation.
func (h watch) find(ctx context.Context, of alert.Series) (s series, err error) {
	if s, ok := h.found[of]; ok {
		return s, nil
	}
	numbers := h.Warehouse.Numbers
	key, by, ok, err := numbers.MetricKey(ctx, of.Metric)
	if err != nil {
		return s, err
	}
	if !ok {
		s.folded = true
		h.found[of] = s
		return s, nil
	}
	s.key = key
	if s.since, _, err = numbers.Since(ctx, key); err != nil {
		return s, err
	}
	if of.Value != "" {
		dimension := metric.Dimension(strings.SplitN(of.Value, ",", max(1, by))...)
		s.value = &dimension
		if s.folded, err = numbers.MayBeFolded(ctx, key, dimension); err != nil {
			return s, err
		}
	}
	h.found[of] = s
	return s, nil
}

// publish emits the state of each alert, for its alarm, and reports changes. The state of
// an alert whose newest minute is unknown is not emitted: the alarm keeps its own.
func (h watch) publish(ctx context.Context, all []warehouse.Alert, changes []warehouse.AlertChange, newest time.Time) {
	for _, a := range all {
		if a.Evaluated.Before(newest) {
			continue
		}
		firing := 0.0
		if a.State.State == alert.Firing {
			firing = 1
		}
		h.Metrics.Emit(ctx, emf.Metric{Name: contract.AlertMetric(a.Definition.Name), Value: firing})
	}
	for _, c := range changes {
		h.Log.InfoContext(ctx, "alert changed", "alert", c.Name, "state", c.State, "at", c.At)
	}
	if h.Notify != nil && len(changes) > 0 {
		h.Notify(ctx, all, changes)
	}
}
