package invocation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/pause"
)

type metrics struct{ got []emf.Metric }

func (m *metrics) Emit(_ context.Context, list ...emf.Metric) {
	m.got = append(m.got, list...)
}

// TestTimed runs handlers that take a part of ten seconds.
func TestTimed(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name  string
		takes time.Duration
		fails error
		want  []emf.Metric
	}{
		{"quick", time.Second, nil, nil},
		{"half", 5 * time.Second, nil, []emf.Metric{{Name: "TimeUsed", Value: 50, Unit: "Percent"}}},
		{"slow and failed", 9 * time.Second, refused, []emf.Metric{{Name: "TimeUsed", Value: 90, Unit: "Percent"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var m metrics
				h := invocation.Timed(invocation.JSON(func(ctx context.Context, in string) (string, error) {
					return in + "!", errors.Join(tt.fails, pause.For(ctx, tt.takes))
				}), &m)
				response, err := h.Invoke(ctx, []byte(`"hello"`))
				if !errors.Is(err, tt.fails) || tt.fails == nil && string(response) != `"hello!"` {
					t.Errorf("returned %s, %v", response, err)
				}
				if diff := cmp.Diff(tt.want, m.got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestTimedWithoutDeadline(t *testing.T) {
	var m metrics
	h := invocation.Timed(invocation.JSON(func(context.Context, struct{}) (any, error) { return nil, nil }), &m)
	if _, err := h.Invoke(t.Context(), []byte(`{}`)); err != nil || len(m.got) > 0 {
		t.Errorf("%v, %v", err, m.got)
	}
}
