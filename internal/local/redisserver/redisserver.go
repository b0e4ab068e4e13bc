// Package redisserver runs the installed valkey-server or redis-server as a
// private server: on a free port of 127.0.0.1, as an unprivileged user when the
// caller is root. The server writes nothing to disk.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Options configure a server.
type Options struct {
	// Dir is the working folder, for the log; it is created if missing. Only
	// the caller can enter it.
	Dir string
	// Program is the server's path. If empty, Start searches for valkey-server,
	// which also runs on AWS, and then for redis-server.
	Program string
	// Port is the TCP port on 127.0.0.1; 0 selects a free one.
	Port int
	// Password is required from every client; empty means no password.
	Password string
}

// Server is a running Valkey or Redis.
type Server struct {
	// Addr is host:port.
	Addr string
	Port int
	// Program is the path of the running program.
	Program string

	password string
	process  *daemon.Process
	log      *os.File
}

// programs lists the server programs in order of preference.
var programs = [...]string{"valkey-server", "redis-server"}

// Find returns the path of valkey-server if it is installed, otherwise of
// redis-server.
func Find() (string, error) {
	var missing *daemon.NotFoundError
	for _, program := range programs {
		path, err := daemon.Find(program, []string{"/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"},
			[]string{"apt-get install valkey-server", "apt-get install redis-server", "brew install valkey"})
		if err == nil {
			return path, nil
		}
		if !errors.As(err, &missing) {
			return "", err
		}
	}
	missing.Program = strings.Join(programs[:], " or ")
	return "", missing
}

// pidFile records the process, so that a start after a kill can end it.
const pidFile = "server.pid"

// ErrPortTaken is returned if another program uses the port.
var ErrPortTaken = errors.New("port is taken")

// Start starts the server and returns when it responds. ctx applies to the
// start only; call Stop to end the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	o.Dir = dir
	if o.Program == "" {
		if o.Program, err = Find(); err != nil {
			return nil, err
		}
	}
	account, err := daemon.Unprivileged("valkey", "redis", "nobody")
	if err != nil {
		return nil, err
	}
	if err := daemon.OwnDir(o.Dir, nil); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	if err := daemon.EndOrphan(ctx, filepath.Join(o.Dir, pidFile)); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	const attempts = 5 // another process may take the free port first
	for i := 1; ; i++ {
		s, err := start(ctx, o, account)
		if err == nil {
			return s, nil
		}
		if i == attempts || o.Port != 0 || !errors.Is(err, ErrPortTaken) {
			return nil, fmt.Errorf("start redis: %w", err)
		}
	}
}

func start(ctx context.Context, o Options, account *daemon.Account) (*Server, error) {
	if o.Port == 0 {
		var err error
		if o.Port, err = daemon.FreePort(ctx); err != nil {
			return nil, err
		}
	}
	log, err := daemon.CreateFile(filepath.Join(o.Dir, "server.log"))
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(o.Port), Port: o.Port, Program: o.Program, password: o.Password, log: log}
	// Pass the configuration on standard input, so that the password is in no
	// file and in no process list. The server writes no file, and its account
	// can enter no folder.
	s.process, err = daemon.Start(daemon.Spec{
		Path: o.Program, Args: []string{"-"}, In: strings.NewReader(configuration(o)), Dir: "/", Env: daemon.Environment(), Account: account, Log: log, Orphaned: syscall.SIGTERM,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	err = daemon.WritePID(ctx, filepath.Join(o.Dir, pidFile), s.process.PID())
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopCtx))
	}
	return s, nil
}

func configuration(o Options) string {
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(o.Port),
		"protected-mode yes",
		"daemonize no",
		`save ""`,
		"appendonly no",
	}
	if o.Password != "" {
		lines = append(lines, "requirepass "+strconv.Quote(o.Password))
	}
	return strings.Join(lines, "\n") + "\n"
}

// bound is the line that the server logs when it listens on its port. Until
// then another program may be listening there, which must not see the password.
const bound = "Ready to accept connections"

// ready waits until the server listens on its port and responds.
func (s *Server) ready(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: s.Addr, Password: s.password, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true})
	defer client.Close() //nolint:errcheck // only read from
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := s.logged()
		if err != nil {
			return err
		}
		if strings.Contains(text, bound) && client.Ping(ctx).Err() == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return s.died()
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// logged returns the beginning of the server's log.
func (s *Server) logged() (string, error) {
	text := make([]byte, 64<<10)
	n, err := s.log.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read server log: %w", err)
	}
	return string(text[:n]), nil
}

func (s *Server) died() error {
	text, err := s.logged()
	if err != nil {
		return err
	}
	if strings.Contains(text, "Address already in use") {
		return ErrPortTaken
	}
	return fmt.Errorf("server ended: %w\n%s", s.process.Err(), strings.TrimSpace(text))
}

// Done is closed when the server has ended, for any reason.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// PID returns the server's process id.
func (s *Server) PID() int { return s.process.PID() }

// Stop stops the server. If ctx ends first, the server is killed.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGTERM), s.closeLog())
}

// Crash kills the server.
func (s *Server) Crash(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGKILL), s.closeLog())
}

func (s *Server) closeLog() error {
	if err := s.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close server log: %w", err)
	}
	return nil
}
