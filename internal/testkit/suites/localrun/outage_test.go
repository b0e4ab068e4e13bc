package localrun_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// health is the health that the dashboard receives.
type health struct {
	LagSeconds *float64
	Waiting    *int64
	Failed     *int64
	Missing    *int64
	Troubles   []string
}

func healthOf(t *testing.T, l *localrun.Local) (h health) {
	t.Helper()
	resp, err := http.Get(l.Dashboard + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return h
}

// TestOutageIsShown takes PostgreSQL down on a running platform: the dashboard
// shows the age of the oldest waiting event as lag, and the server.
func TestOutageIsShown(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir, Args: []string{"--fault", "pg-down=8s"}})
	const before, during = 100, 491
	if s := <-send(t, dir, "--url", l.API, "--count", "100"); s.Accepted != before {
		t.Fatalf("sent %+v", s)
	}
	await(t, func() bool {
		h := healthOf(t, l)
		return h.LagSeconds != nil && *h.Waiting == 0 && len(h.Troubles) == 0
	})
	await(t, func() bool { return strings.Contains(l.Log(), "simulated outage") })
	if s := <-send(t, dir, "--url", l.API, "--count", "491", "--seed", "9"); s.Accepted != during {
		t.Fatalf("sent %+v", s)
	}
	var h health
	await(t, func() bool { h = healthOf(t, l); return *h.LagSeconds > 4 })
	if *h.Waiting == 0 || len(h.Troubles) != 1 || h.Troubles[0] != "postgres is down" {
		t.Errorf("waiting %d, troubles %q", *h.Waiting, h.Troubles)
	}
	l.Settle(t, before+during, patience)
	await(t, func() bool { h = healthOf(t, l); return *h.Waiting == 0 && len(h.Troubles) == 0 })
}
