package lambdarun_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
)

type metrics struct{ got []emf.Metric }

func (m *metrics) Emit(list ...emf.Metric) error {
	m.got = append(m.got, list...)
	return nil
}

// TestTimed has handlers take a part of ten seconds.
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
			now := time.Now()
			clock := func() time.Time { return now }
			ctx, cancel := context.WithDeadline(t.Context(), now.Add(10*time.Second))
			defer cancel()
			var m metrics
			h := lambdarun.Timed(func(_ context.Context, in string) (string, error) {
				now = now.Add(tt.takes)
				return in + "!", tt.fails
			}, &m, slog.New(slog.DiscardHandler), clock)
			answer, err := h.Invoke(ctx, []byte(`"hello"`))
			if !errors.Is(err, tt.fails) || tt.fails == nil && string(answer) != `"hello!"` {
				t.Errorf("answered %s, %v", answer, err)
			}
			if diff := cmp.Diff(tt.want, m.got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTimedWithoutDeadline(t *testing.T) {
	var m metrics
	h := lambdarun.Timed(func(context.Context) error { return nil }, &m, slog.New(slog.DiscardHandler), time.Now)
	if _, err := h.Invoke(t.Context(), []byte(`{}`)); err != nil || len(m.got) > 0 {
		t.Errorf("%v, %v", err, m.got)
	}
}
