package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

func TestForWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var system pause.Clock
		for _, wait := range []func(context.Context, time.Duration) error{pause.For, system.For} {
			begin := system.Now()
			if err := wait(t.Context(), time.Hour); err != nil || time.Since(begin) != time.Hour {
				t.Errorf("waited %s, %v", time.Since(begin), err)
			}
		}
	})
}

func TestForEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, stopped)
		defer cancel()
		begin := time.Now()
		if err := pause.For(ctx, time.Hour); !errors.Is(err, stopped) || time.Since(begin) != time.Minute {
			t.Errorf("waited %s, %v", time.Since(begin), err)
		}
	})
}

func TestClockIsReplaced(t *testing.T) {
	at, waited := time.Unix(7, 0), time.Duration(0)
	c := pause.Clock{Time: func() time.Time { return at }, Wait: func(_ context.Context, d time.Duration) error { waited += d; return nil }}
	if err := c.For(t.Context(), time.Hour); err != nil || waited != time.Hour || !c.Now().Equal(at) {
		t.Errorf("%v, waited %s, now %s", err, waited, c.Now())
	}
}
