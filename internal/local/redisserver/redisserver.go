// Package redisserver runs the machine's own redis-server as a private server:
// on a free port of 127.0.0.1, as an unprivileged user when the caller is root.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Options say where and how the server runs.
type Options struct {
	// Dir is the private working folder; it is made when missing.
	Dir string
	// Port is the TCP port on 127.0.0.1; 0 takes a free one.
	Port int
	// Password is asked of every client; empty asks for none.
	Password string
	// Persistent keeps the data over a restart, in an append-only file in Dir.
	Persistent bool
}

// Server is a running Redis.
type Server struct {
	// Addr is host:port.
	Addr string
	Port int

	password string
	process  *daemon.Process
	log      *os.File
}

var errPortTaken = errors.New("port is taken")

// Start starts the server and returns when it answers. ctx bounds the start
// only; Stop ends the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	o.Dir = dir
	path, err := daemon.Find("redis-server", []string{"/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"},
		[]string{"apt-get install redis-server", "brew install redis"})
	if err != nil {
		return nil, err
	}
	account, err := daemon.Unprivileged("redis", "nobody")
	if err != nil {
		return nil, err
	}
	if err := daemon.PrivateDir(o.Dir, account); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	const attempts = 5 // another process may take the free port first
	for i := 1; ; i++ {
		s, err := start(ctx, path, o, account)
		if err == nil {
			return s, nil
		}
		if i == attempts || o.Port != 0 || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("start redis: %w", err)
		}
	}
}

func start(ctx context.Context, path string, o Options, account *daemon.Account) (*Server, error) {
	if o.Port == 0 {
		var err error
		if o.Port, err = daemon.FreePort(ctx); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(o.Dir, "redis.conf")
	if err := os.WriteFile(config, []byte(configuration(o)), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	if err := daemon.GiveTree(config, account); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(o.Port), Port: o.Port, password: o.Password, log: log}
	s.process, err = daemon.Start(daemon.Spec{
		Path: path, Args: []string{config}, Dir: o.Dir, Env: os.Environ(), Account: account, Log: log, Orphaned: syscall.SIGTERM,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := s.ready(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopCtx))
	}
	return s, nil
}

// configuration goes by file, so that the password is in no process list.
func configuration(o Options) string {
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(o.Port),
		"protected-mode yes",
		"daemonize no",
		"dir " + strconv.Quote(o.Dir),
		`save ""`,
	}
	if o.Persistent {
		lines = append(lines, "appendonly yes", "appendfsync always")
	}
	if o.Password != "" {
		lines = append(lines, "requirepass "+strconv.Quote(o.Password))
	}
	return strings.Join(lines, "\n") + "\n"
}

// ready waits until the server on our port is ours and answers.
func (s *Server) ready(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: s.Addr, Password: s.password, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true})
	defer client.Close() //nolint:errcheck // only read from
	own := "process_id:" + strconv.Itoa(s.process.PID())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if listening(ctx, s.Addr) {
			info, err := client.Info(ctx, "server").Result()
			switch {
			case err == nil && strings.Contains(info, own+"\r\n"):
				return nil
			case err == nil, redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
				return errPortTaken
			}
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

// listening says that somebody takes connections at addr. The client would
// write each refusal to standard error.
func listening(ctx context.Context, addr string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	return err == nil && conn.Close() == nil
}

func (s *Server) died() error {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return fmt.Errorf("read server log: %w", err)
	}
	if strings.Contains(string(text), "Address already in use") {
		return errPortTaken
	}
	return fmt.Errorf("server ended: %w\n%s", s.process.Err(), strings.TrimSpace(string(text)))
}

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// PID is the id of the server's process.
func (s *Server) PID() int { return s.process.PID() }

// Stop ends the server. When ctx ends first, it is killed.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGTERM), s.closeLog())
}

// Crash ends the server at once.
func (s *Server) Crash(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGKILL), s.closeLog())
}

func (s *Server) closeLog() error {
	if err := s.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close server log: %w", err)
	}
	return nil
}
