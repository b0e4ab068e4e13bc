package local

import (
	"context"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestMemoryRedisRunsTheScript checks that the in-process Redis supports what
// the cache needs: the script, the user estimate, and key expiry.
func TestMemoryRedisRunsTheScript(t *testing.T) {
	m := &memoryRedis{password: "secret"}
	server, err := m.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := cache.Local(m.addr, "secret")
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	stranger := cache.Local(m.addr, "")
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("it requires no password")
	}
	if err := stranger.Close(); err != nil {
		t.Error(err)
	}
	minute := time.Now().UTC().Truncate(time.Minute)
	rows := []warehouse.MinuteRow{{Metric: "events", Minute: minute, Dimension: "click", Slot: 1, Rev: 3, N: 7, Sum: "0"}}
	c := cache.New(client, time.Now)
	if err := c.Update(t.Context(), source(rows), rows, nil); err != nil {
		t.Fatal(err)
	}
	got, err := c.Minutes(t.Context(), "events", []time.Time{minute})
	if err != nil || len(got.Rows) != 1 || got.Rows[0].N != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	if ttl := client.TTL(t.Context(), "m:events:"+minute.Format("200601021504")).Val(); ttl <= 0 || ttl > 49*time.Hour {
		t.Errorf("the key's TTL is %s", ttl)
	}
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := m.start(t.Context()); err != nil { // on the same address
		t.Fatal(err)
	} else if err := again.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// source is a warehouse with these rows.
type source []warehouse.MinuteRow

func (s source) MinuteRows(context.Context, string, []time.Time) ([]warehouse.MinuteRow, error) {
	return s, nil
}
