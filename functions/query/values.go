package query

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// values lists the values of a metric that have rows of their own.
func (h *Handler) values(ctx context.Context, s series, given map[string]string, now time.Time) (result, error) {
	if err := onlyParameters(given, "list"); err != nil {
		return result{}, err
	}
	if list := given["list"]; list != "values" {
		return result{}, wrong("list", list, "must be values")
	}
	values, err := h.Warehouse.Values(ctx, s.key)
	if err != nil {
		return result{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	a := api.ValuesResponse{Metric: s.name, Origin: fresh(now), Places: warehouse.MaxDimensions, Values: make([]api.MetricValue, len(values))}
	for i, v := range values {
		a.Values[i] = api.MetricValue{Value: v.Value, Reserved: v.Reserved, LastSeen: v.LastSeen.Format(time.DateOnly), ReleasedAt: v.ReleasedAt}
		if v.ReleasedAt == nil && !v.Reserved {
			a.Used++
		}
	}
	return result{a, now, a.Stale}, nil
}
