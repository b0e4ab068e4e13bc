package localrun_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// TestInterruptedFirstStart interrupts a first start at random moments, several
// times in one folder, with kill -9 and with Ctrl-C: the next start completes
// it. It uses 3 folders, or STREAMCTL_FIRST_STARTS.
func TestInterruptedFirstStart(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("STREAMCTL_FIRST_STARTS"))
	if err != nil {
		runs = 3
	}
	random := rand.New(rand.NewPCG(11, uint64(time.Now().UnixNano())))
	for run := range runs {
		dir := workDir(t)
		s := localrun.Spec{Dir: dir}
		var moments []time.Duration
		for range 1 + random.IntN(3) {
			after := time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
			signal := syscall.SIGKILL
			if random.IntN(3) == 0 {
				signal = syscall.SIGINT
			}
			moments = append(moments, after)
			interrupt(t, s, after, signal)
		}
		l := program.Start(t, s)
		if sent := <-send(t, dir, "--url", l.API, "--count", "200"); sent.Accepted != 200 {
			t.Fatalf("run %d, interrupted after %v: sent %+v", run, moments, sent)
		}
		l.Settle(t, 200, patience)
		if err := l.Stop(); err != nil {
			t.Fatalf("run %d, interrupted after %v: %v", run, moments, err)
		}
		left, err := filepath.Glob(filepath.Join(l.DataDir, "postgres", "init-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("run %d: %v remains, %v", run, left, err)
		}
	}
}

// interrupt starts local and signals it.
func interrupt(t *testing.T, s localrun.Spec, after time.Duration, signal syscall.Signal) {
	t.Helper()
	s.Args = []string{"local", "--port", "0", "--dashboard-port", "0"}
	cmd := program.Command(context.WithoutCancel(t.Context()), s)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := pause.For(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // with any exit status
}

// TestOrphanedServer starts local in a folder whose PostgreSQL is still
// running, because the kernel's signal did not reach it.
func TestOrphanedServer(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	pid := processOf(t, "postgres", l.PID())
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // it can't end now
		t.Fatal(err)
	}
	if err := l.Kill(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	again := program.Start(t, localrun.Spec{Dir: dir})
	if again.Database != l.Database || again.Redis != l.Redis {
		t.Errorf("the stores' addresses changed")
	}
}

// TestPortOfTheLastStartIsTaken occupies the ports of PostgreSQL and Redis:
// local uses free ones, and reports it.
func TestPortOfTheLastStartIsTaken(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	same := program.Start(t, localrun.Spec{Dir: dir})
	if same.Database != l.Database || same.Redis != l.Redis || same.Psql != l.Psql {
		t.Errorf("the stores' addresses changed without need")
	}
	if err := same.Stop(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(l.Database)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{u.Port(), port(l.Redis)} {
		listener, err := net.Listen("tcp", "127.0.0.1:"+target)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
	other := program.Start(t, localrun.Spec{Dir: dir})
	if other.Database == l.Database || other.Redis == l.Redis {
		t.Error("it is on a port that another program uses")
	}
	for _, notice := range []string{"the port that PostgreSQL used last time is taken", "the port that Redis used last time is taken"} {
		if !strings.Contains(other.Log(), notice) {
			t.Errorf("the log lacks %q:\n%s", notice, other.Log())
		}
	}
}
