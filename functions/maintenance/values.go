package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// Values manages which values of a metric have rows of their own. *warehouse.DB
// satisfies it.
type Values interface {
	GivePlaces(context.Context) (given int, err error)
	ReleaseValues(ctx context.Context, unseenSince time.Time) (released int, err error)
	Places
}

// Places are the methods that Forget needs.
type Places interface {
	ForgetValues(ctx context.Context, metric string, values []string) (forgotten []string, err error)
	MetricKey(ctx context.Context, name string) (key string, by int, ok bool, err error)
}

// Forget releases values of a metric and returns those that had rows of their
// own.
func Forget(ctx context.Context, p Places, task contract.MaintenanceTask) ([]string, error) {
	key, _, ok, err := p.MetricKey(ctx, task.Metric)
	if err == nil && !ok {
		err = fmt.Errorf("metric %q does not exist", task.Metric)
	}
	if err == nil && len(task.Values) == 0 {
		err = errors.New("values: want at least one")
	}
	if err != nil {
		return nil, fmt.Errorf("forget values: %w", err)
	}
	return p.ForgetValues(ctx, key, task.Values)
}
