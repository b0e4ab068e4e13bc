package localrun_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// TestEveryEventOnce sends generated events over HTTP: all are exactly once in
// PostgreSQL, in the archive, in the rollups and in Redis, with any simulated
// fault.
func TestEveryEventOnce(t *testing.T) {
	for _, fault := range []string{"", "throttle=0.3", "duplicate=0.1", "pg-down=3s", "redis-down=3s"} {
		t.Run(strings.ReplaceAll("fault "+fault, "=", " "), func(t *testing.T) {
			dir := workDir(t)
			args := []string{}
			// The first outage starts after ten seconds, and the events take at
			// least fifteen.
			rate := []string{"--concurrency", "8"}
			if fault != "" {
				args = append(args, "--fault", fault)
			}
			if strings.Contains(fault, "down") {
				rate = append(rate, "--rate", "6600")
			}
			l := program.Start(t, localrun.Spec{Dir: dir, Args: args})
			began := time.Now()
			s := <-send(t, dir, append(append([]string{"--url", l.API}, count...), rate...)...)
			if s.Accepted != events || s.Unsent+s.Refused > 0 {
				t.Fatalf("sent %+v", s)
			}
			c := l.Settle(t, events, patience)
			if strings.Contains(fault, "down") && !strings.Contains(l.Log(), "simulated outage") {
				t.Error("no outage was simulated")
			}
			t.Logf("%d events at %.0f per second, %d retries; exactly once in every store after %s: %+v", events, s.EventsPerSecond, s.Retries, time.Since(began).Round(time.Millisecond), c)
		})
	}
}

// TestServersKilled kills PostgreSQL and Redis while events are sent.
func TestServersKilled(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	done := send(t, dir, append([]string{"--url", l.API, "--rate", "10000"}, count...)...)
	killed := 0
	for range 3 {
		for _, name := range []string{"postgres", l.RedisServer} {
			if err := pause.For(t.Context(), 1200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(processOf(t, name, l.PID()), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed++
		}
	}
	if s := <-done; s.Accepted != events {
		t.Fatalf("sent %+v", s)
	}
	t.Logf("%d servers killed: %+v", killed, l.Settle(t, events, patience))
}

// TestProgramKilled kills the program itself and restarts it, while a client
// keeps sending.
func TestProgramKilled(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	same := []string{"--port", port(l.API)}
	done := send(t, dir, append([]string{"--url", l.API, "--rate", "8000"}, count...)...)
	for range 3 {
		if err := pause.For(t.Context(), 2500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		l = program.Start(t, localrun.Spec{Dir: dir, Args: same})
	}
	if s := <-done; s.Accepted != events {
		t.Fatalf("sent %+v", s)
	}
	c := l.Settle(t, events, patience)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed 3 times: %+v", c)
}

// TestStopDrains stops the program right after the last response: afterwards
// the stream is drained and no process remains.
func TestStopDrains(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	servers := []int{processOf(t, "postgres", l.PID()), processOf(t, l.RedisServer, l.PID())}
	if s := <-send(t, dir, append([]string{"--url", l.API, "--concurrency", "8"}, count...)...); s.Accepted != events {
		t.Fatalf("sent %+v", s)
	}
	if err := l.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, l.Log())
	}
	for _, pid := range servers {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d remains", pid)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 { // variables.yaml and .streamctl
		t.Errorf("files remain: %v", entries)
	}
	again := program.Start(t, localrun.Spec{Dir: dir})
	again.Settle(t, events, 5*time.Second+patience)
}
