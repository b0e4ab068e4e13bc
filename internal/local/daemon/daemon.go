// Package daemon runs a server program as a child process: it finds the binary,
// drops root privileges, supervises the process and stops it.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// NotFoundError is returned when a program is not installed.
type NotFoundError struct {
	// Program is the binary's name, such as "postgres".
	Program string
	// Install holds the commands that install it, one per package manager.
	Install []string
}

func (e *NotFoundError) Error() string { return "find " + e.Program + ": not installed" }

// Hint lists the commands that install the program.
func (e *NotFoundError) Hint() string {
	return "install it: " + strings.Join(e.Install, ", or ")
}

// Find looks for program in the PATH and then in the folders that match the
// patterns (filepath.Glob), the last match of a pattern first, because version
// numbers sort that way.
func Find(program string, patterns, install []string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	for _, pattern := range patterns {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", program, err)
		}
		for _, dir := range slices.Backward(dirs) {
			path := filepath.Join(dir, program)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", &NotFoundError{Program: program, Install: install}
}

// FreePort returns a TCP port of 127.0.0.1 that was free a moment ago. Another
// process may take it before the caller does.
func FreePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	return port, nil
}

// Process is a running server.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Spec describes the program to start.
type Spec struct {
	Path string
	Args []string
	Env  []string
	// Dir is the working directory.
	Dir string
	// Account runs the program; nil means the caller.
	Account *Account
	// In is the program's standard input; nil means none.
	In io.Reader
	// Log receives standard output and standard error; nil drops them.
	Log io.Writer
	// Out receives standard output instead of Log.
	Out io.Writer
	// Orphaned is the signal that the kernel sends to the program when the
	// caller dies (Linux only); 0 means none.
	Orphaned syscall.Signal
}

// Start starts the program. The process outlives any context: call Stop.
func Start(s Spec) (*Process, error) {
	cmd := exec.Command(s.Path, s.Args...) //nolint:noctx // it outlives the call that starts it; Stop ends it
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Env, s.Dir, s.In, s.Log, s.Log
	if s.Out != nil {
		cmd.Stdout = s.Out
	}
	cmd.SysProcAttr = attributes(s.Account, s.Orphaned)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Run runs a program to completion and returns its combined output.
func Run(ctx context.Context, s Spec) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.Path, s.Args...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	cmd.SysProcAttr = attributes(s.Account, s.Orphaned)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("run %s: %w", s.Path, err)
	}
	return out, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns the process's exit error. Call it after Done is closed.
func (p *Process) Err() error { return p.err }

// Signal sends a signal. It returns nil if the process has already ended.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Stop sends the signal and waits for the process to end. If ctx ends first,
// Stop kills the process and returns an error.
func (p *Process) Stop(ctx context.Context, sig os.Signal) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return fmt.Errorf("stop %s: killed: %w", p.cmd.Path, context.Cause(ctx))
}
