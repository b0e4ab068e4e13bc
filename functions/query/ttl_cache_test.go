package query

import (
	"errors"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	var m ttlCache[int]
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	broken := errors.New("broken")
	asked := 0
	for _, step := range []struct {
		after time.Duration
		told  int // 0 is nothing, -1 is broken
		asked int
		value int
		ok    bool
		err   error
	}{
		{0, 0, 1, 0, false, nil},
		{0, 7, 2, 7, true, nil}, // missing values are not cached
		{keptFor - 1, 8, 2, 7, true, nil},
		{1, -1, 3, 7, true, nil}, // cached values survive an outage
		{waitFor - 1, 8, 3, 7, true, nil},
		{1, 8, 4, 8, true, nil},
		{keptFor, 0, 5, 0, false, nil},
		{0, -1, 6, 0, false, broken},
		{waitFor - 1, 9, 6, 0, false, broken},
		{1, 9, 7, 9, true, nil},
	} {
		now = now.Add(step.after)
		value, ok, err := m.get("x", now, func() (int, bool, error) {
			asked++
			if step.told < 0 {
				return 0, false, broken
			}
			return step.told, step.told > 0, nil
		})
		if asked != step.asked || value != step.value || ok != step.ok || !errors.Is(err, step.err) {
			t.Errorf("%+v: asked %d times, %d, %t, %v", step, asked, value, ok, err)
		}
	}
	if len(m.entries) != 1 {
		t.Errorf("%d facts", len(m.entries))
	}
}
