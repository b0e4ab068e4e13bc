// Package localrun runs the real `streamctl local` for tests: it starts it,
// breaks it, and inspects all stores afterwards.
package localrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
)

// Program is the program, built once for a package's tests.
type Program struct {
	path string
	dir  string
}

// Build builds the program; Close removes it.
func Build(ctx context.Context) (*Program, error) {
	root, err := artifact.FindSource(".")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "streamctl-program-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // other users run it too
		return nil, err
	}
	p := &Program{path: filepath.Join(dir, "streamctl"), dir: dir}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", p.path, "./cmd/streamctl")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build streamctl: %w\n%s", err, said), os.RemoveAll(dir))
	}
	return p, nil
}

// Close removes the program.
func (p *Program) Close() error { return os.RemoveAll(p.dir) }

// At returns a program that is already built.
func At(path string) *Program { return &Program{path: path} }

// Where is local's output.
type Where struct {
	API, Dashboard, Database, Redis, Archive, DataDir string
	RedisInMemory                                     bool
	Psql, RedisCLI, RedisServer                       string
	Region, AccessKeyID, SecretAccessKey              string
}

// Local is a running `streamctl local`.
type Local struct {
	Where
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	log  *buffer
	// refused is set if the start failed: the caller has the error.
	refused bool
}

// buffer stores the log, which the test reads while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startTime is the timeout of a start, which may include a database recovery.
const startTime = time.Minute

// Spec describes how to run the program.
type Spec struct {
	// Dir is its working directory.
	Dir  string
	Env  []string
	Args []string
	// UID and GID run the program; 0 means the caller.
	UID, GID uint32
}

// Command returns a command of the program.
func (p *Program) Command(ctx context.Context, s Spec) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, s.Args...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	if s.UID != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.UID, Gid: s.GID}}
	}
	return cmd
}

// Start starts local on free ports; it is stopped when the test ends.
func (p *Program) Start(t testing.TB, s Spec) *Local {
	t.Helper()
	l, err := p.Try(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Try is Start for a start that may fail: the error then contains the log.
func (p *Program) Try(t testing.TB, s Spec) (*Local, error) {
	t.Helper()
	s.Args = append([]string{"local", "--port", "0", "--dashboard-port", "0", "-o", "json"}, s.Args...)
	l := &Local{cmd: p.Command(context.WithoutCancel(t.Context()), s), done: make(chan struct{}), log: &buffer{}}
	l.cmd.WaitDelay = 5 * time.Second // after its end, even if another process holds its output open
	answer, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.cmd.Stderr = l.log
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil && !l.refused {
			t.Errorf("stop local: %v\n%s", err, l.Log())
		}
	})
	read := make(chan error, 1)
	go func() {
		read <- json.NewDecoder(answer).Decode(&l.Where)
		_, _ = io.Copy(io.Discard, answer) // no more output is expected
		l.err = l.cmd.Wait()
		close(l.done)
	}()
	select {
	case err = <-read:
	case <-time.After(startTime):
		err = errors.New("not ready in time")
	}
	if err != nil {
		l.refused = true
		return nil, fmt.Errorf("start local: %w\n%s", err, l.Log())
	}
	return l, nil
}

// Log returns the log so far.
func (l *Local) Log() string { return l.log.String() }

// PID returns the process id.
func (l *Local) PID() int { return l.cmd.Process.Pid }

// stopTime is the timeout of a stop, including the drain.
const stopTime = time.Minute

// Stop interrupts the program and waits for its end. It returns nil if the
// program has already ended.
func (l *Local) Stop() error {
	select {
	case <-l.done:
		return nil
	default:
	}
	if err := l.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-l.done:
		return l.err
	case <-time.After(stopTime):
		return errors.Join(errors.New("stop: timed out"), l.Kill())
	}
}

// Kill kills the program.
func (l *Local) Kill() error {
	err := l.cmd.Process.Kill()
	<-l.done
	return err
}
