package bootstraps_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/suites/platform"
)

const (
	password  = "YourSecurePassword123!"
	stackName = "bootstraps"
)

// stack is a deployed development stack.
type stack struct {
	t        *testing.T
	platform *platform.Platform
	dir      string
	outputs  map[string]string
}

func deploy(t *testing.T) stack {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamctl-bootstraps-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // PostgreSQL runs as another user
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p, err := platform.Start(t.Context(), platform.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stop platform: %v", err)
		}
	})
	s := stack{t: t, platform: p, dir: dir}
	variables := []byte("StackName: " + stackName + "\nEnvironment: development\nArchiverMapping: {WindowSeconds: 1}\n")
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), variables, 0o644); err != nil {
		t.Fatal(err)
	}
	s.streamctl("deploy", "--source", p.Root)
	if err := json.Unmarshal(s.streamctl("outputs", "-o", "json"), &s.outputs); err != nil {
		t.Fatal(err)
	}
	return s
}

// streamctl runs the program and returns its standard output.
func (s stack) streamctl(args ...string) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.platform.Streamctl, args...)
	cmd.Dir, cmd.Env = s.dir, append(s.platform.Environment(), "STREAMCTL_DATABASE_PASSWORD="+password)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("streamctl %v: %v\n%s\n%s", args, err, stdout, stderr.String())
	}
	return stdout
}

// eventually retries until success, for at most a minute.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}
