// Package pgserver runs the machine's own PostgreSQL as a private server: in a
// data folder of its own, on a free port of 127.0.0.1, as an unprivileged user
// when the caller is root.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Superuser is the role that initdb makes.
const Superuser = "postgres"

// Options say where and how the server runs.
type Options struct {
	// Dir is the private data folder. It is made when missing; a folder of an
	// earlier Start is used again with what it holds.
	Dir string
	// BinDir holds postgres and initdb. Empty looks in the PATH, in
	// /usr/lib/postgresql/*/bin and in Homebrew's folders.
	BinDir string
	// Port is the TCP port on 127.0.0.1; 0 takes a free one.
	Port int
	// Template is a folder that keeps an initialised cluster for later starts
	// with the same Template: copying it is several times faster than initdb.
	// Empty runs initdb.
	Template string
	// Volatile switches fsync off: faster, but a crash of the machine loses
	// the data. A crash of the server alone does not.
	Volatile bool
	// Settings are further server settings, such as max_connections.
	Settings map[string]string
}

// Server is a running PostgreSQL.
type Server struct {
	Host string
	Port int
	// Dir is the data folder of Options; server.log in it has the log.
	Dir string

	password string
	process  *daemon.Process
	log      *os.File
}

// Start starts the server and returns when it answers SQL. ctx bounds the
// start only; Stop ends the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	bin, err := findBinaries(o.BinDir)
	if err != nil {
		return nil, err
	}
	c := cluster{dir: dir, bin: bin}
	if c.account, err = daemon.Unprivileged("postgres", "nobody"); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, o.Template); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := c.endOrphan(ctx); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	const attempts = 5 // another process may take the free port first
	for i := 1; ; i++ {
		s, err := c.start(ctx, o)
		if err == nil {
			return s, nil
		}
		if i == attempts || o.Port != 0 || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
	}
}

var errPortTaken = errors.New("port is taken")

func (c cluster) start(ctx context.Context, o Options) (*Server, error) {
	port := o.Port
	if port == 0 {
		var err error
		if port, err = daemon.FreePort(ctx); err != nil {
			return nil, err
		}
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	s := &Server{Host: "127.0.0.1", Port: port, Dir: c.dir, password: password, log: log}
	s.process, err = daemon.Start(daemon.Spec{
		Path: filepath.Join(c.bin, "postgres"), Args: c.arguments(o, port), Env: environment(), Dir: c.dir,
		Account: c.account, Log: log, Orphaned: syscall.SIGINT,
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

// ready waits until the server on our port is ours and answers.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		dir, err := s.dataDirectory(ctx)
		if err == nil && dir != filepath.Join(s.Dir, "data") {
			return errPortTaken
		}
		if err == nil {
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

func (s *Server) dataDirectory(ctx context.Context) (dir string, err error) {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = conn.QueryRow(ctx, "show data_directory").Scan(&dir)
	return dir, err
}

func (s *Server) died() error {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return fmt.Errorf("read server log: %w", err)
	}
	if strings.Contains(string(text), "could not bind") {
		return errPortTaken
	}
	return fmt.Errorf("server ended: %w\n%s", s.process.Err(), tail(string(text), 10))
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// URL is the connection URL of a role in a database, TLS off. It carries the
// superuser's password; other roles' passwords are the caller's to add.
func (s *Server) URL(user, db string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(user), Path: "/" + db, RawQuery: "sslmode=disable",
		Host: s.Host + ":" + strconv.Itoa(s.Port),
	}
	if user == Superuser {
		u.User = url.UserPassword(user, s.password)
	}
	return u.String()
}

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// PID is the id of the server's main process.
func (s *Server) PID() int { return s.process.PID() }

// Stop ends the server, once or more: it cuts the open connections and keeps all that was
// committed. When ctx ends first, the server is killed.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGINT), s.closeLog())
}

// Crash ends the server at once, as a power cut of the server alone would:
// the next Start on the folder recovers from the log.
func (s *Server) Crash(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGQUIT), s.closeLog())
}

func (s *Server) closeLog() error {
	if err := s.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close server log: %w", err)
	}
	return nil
}
