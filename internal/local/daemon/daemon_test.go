package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"14", "16"} {
		if err := os.MkdirAll(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "serve"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", "")
	got, err := daemon.Find("serve", []string{filepath.Join(dir, "*")}, nil)
	if want := filepath.Join(dir, "16", "serve"); err != nil || got != want {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
	_, err = daemon.Find("absent", []string{filepath.Join(dir, "*")}, []string{"apt-get install absent", "brew install absent"})
	var missing *daemon.NotFoundError
	if !errors.As(err, &missing) || missing.Hint() != "install it: apt-get install absent, or brew install absent" {
		t.Errorf("error is %v", err)
	}
}

func TestStopKillsAfterTimeout(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := daemon.Start(daemon.Spec{Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo set; while :; do read x; done"}, Log: write})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.Read(make([]byte, 4)); err != nil { // the trap is set
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx, syscall.SIGTERM); !errors.Is(err, context.Canceled) {
		t.Errorf("stop returned %v, want an error that it killed the process", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("the process still runs")
	}
}
