package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/local/mapper"
)

// TestStatusLineDuringAnOutage has a fast last load and events that have waited since:
// the lag is theirs.
func TestStatusLineDuringAnOutage(t *testing.T) {
	now := local.Status{
		Loading: local.Consumer{Unread: 491, Age: 25 * time.Second}, Archiving: local.Consumer{Unread: 3, Age: 10 * time.Minute},
		Lag: 25 * time.Second, LagAt: time.Now(), Missing: 1, Failed: 2,
		Failing:  []mapper.Failing{{Shard: "shardId-000000000000", SequenceNumber: "17", For: 2 * time.Hour}},
		Troubles: []string{"postgres is down"},
	}
	now.LoadLag, now.LoadedAt = 20*time.Millisecond, time.Now()
	line := statusLine(local.Status{}, now, time.Second)
	for _, want := range []string{
		"lag 25.00 s", "491 records to load", "3 records to archive for 10m0s", "1 record missing", "2 batches given up",
		"record 17 of shardId-000000000000 fails alone, tried for 2h0m0s", "postgres is down",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %q", want, line)
		}
	}
	if strings.Contains(line, "0.02") {
		t.Errorf("%q shows the last load", line)
	}
}

// TestStatusLineWithoutTrouble shows only the essentials.
func TestStatusLineWithoutTrouble(t *testing.T) {
	now := local.Status{Lag: 20 * time.Millisecond, LagAt: time.Now()}
	if line, want := statusLine(local.Status{}, now, time.Second), "0 events/s in · 0 loaded · 0 archived · lag 0.02 s"; line != want {
		t.Errorf("%q, want %q", line, want)
	}
}
