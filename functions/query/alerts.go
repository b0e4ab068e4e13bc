package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Alerts reads the states that maintenance writes; *warehouse.DB satisfies it.
type Alerts interface {
	Alerts(context.Context) ([]warehouse.Alert, error)
	AlertChanges(ctx context.Context, since time.Time) ([]warehouse.AlertChange, error)
}

const (
	// defaultAlertDays and maxAlertDays are the days of changes in a response.
	defaultAlertDays = 7
	maxAlertDays     = 400
	// alertLateness is the age of the newest evaluation from which it is stale:
	// maintenance evaluates every minute, a minute later.
	alertLateness = 5 * time.Minute
)

// alerts serves /metrics/alerts.
func (h *Handler) alerts(ctx context.Context, given map[string]string, now time.Time) (result, error) {
	if err := onlyParameters(given, "days"); err != nil {
		return result{}, err
	}
	days := defaultAlertDays
	if text, ok := given["days"]; ok {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 1 || days > maxAlertDays {
			return result{}, wrong("days", text, fmt.Sprintf("must be a whole number from 1 to %d", maxAlertDays))
		}
	}
	stored, err := h.Warehouse.Alerts(ctx)
	if err != nil {
		return result{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	from := now.AddDate(0, 0, -days).Truncate(time.Second)
	changes, err := h.Warehouse.AlertChanges(ctx, from)
	if err != nil {
		return result{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	a := api.AlertsResponse{Origin: fresh(now), From: from, Alerts: make([]api.Alert, len(stored)), Changes: make([]api.AlertChange, len(changes))}
	for i, s := range stored {
		series, _ := s.Definition.Number()
		a.Alerts[i] = api.Alert{
			Name: s.Definition.Name, Severity: s.Definition.Level(), Condition: s.Definition.Condition(), Metric: series.Metric, Value: series.Value,
			State: s.State.State, Since: s.Since, Evaluated: s.Evaluated,
		}
		if s.State.State != alert.NoData {
			a.Alerts[i].Number = &s.Value
		}
		a.Stale = a.Stale || now.Sub(s.Evaluated) > alertLateness
	}
	for i, c := range changes {
		a.Changes[i] = api.AlertChange{Name: c.Name, At: c.At, State: c.State, Number: c.Value}
	}
	return result{a, now, a.Stale}, nil
}
