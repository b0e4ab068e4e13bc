package query

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// ValuesAnswer is the body of /metrics/{name}?list=values.
type ValuesAnswer struct {
	Metric string `json:"metric"`
	Origin `json:",inline"`
	// Places is how many values can have rows of their own, beside the reserved
	// ones; Used is how many have.
	Places int `json:"places"`
	Used   int `json:"used"`
	// Values are those that have a place, and then those that lost it.
	Values []Value `json:"values"`
}

// Value is a value of a metric. A declared metric by fields has a JSON array of
// their values.
type Value struct {
	Value    string `json:"value"`
	Reserved bool   `json:"reserved,omitempty"`
	// LastSeen is the day, UTC, on which it was last loaded.
	LastSeen string `json:"lastSeen"`
	// ReleasedAt is when it lost its place.
	ReleasedAt *time.Time `json:"releasedAt,omitempty"`
}

// values answers which values of a metric have rows of their own.
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
	a := ValuesAnswer{Metric: s.name, Origin: fresh(now), Places: warehouse.MaxDimensions, Values: make([]Value, len(values))}
	for i, v := range values {
		a.Values[i] = Value{Value: v.Value, Reserved: v.Reserved, LastSeen: v.LastSeen.Format(time.DateOnly), ReleasedAt: v.ReleasedAt}
		if v.ReleasedAt == nil && !v.Reserved {
			a.Used++
		}
	}
	return result{a, now, a.Stale}, nil
}
