// Package pgserver runs the installed PostgreSQL as a private server: in a data
// folder of its own, on a free port of 127.0.0.1, as an unprivileged user when
// the caller is root.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Superuser is the role that initdb creates.
const Superuser = "postgres"

// Options configure a server.
type Options struct {
	// Dir is the private data folder. It is created if missing; a folder of an
	// earlier Start keeps its data.
	Dir string
	// BinDir contains postgres and initdb. If empty, Start searches the PATH,
	// /usr/lib/postgresql/*/bin and Homebrew's folders.
	BinDir string
	// Port is the TCP port on 127.0.0.1; 0 selects a free one.
	Port int
	// Template is a folder with an initialized cluster that is shared by all
	// starts with the same Template: copying it is several times faster than
	// initdb. If empty, Start runs initdb.
	Template string
	// Unused reports that nothing was stored in the folder yet: a cluster
	// without an essential file, which an interrupted initdb leaves, is
	// recreated.
	Unused bool
	// Verify checks the files of an earlier start before they are used: a
	// *DamageError lists the damaged ones. After a clean stop they are compared
	// with the manifest written then; after a crash the server recovers first
	// and is then started a second time.
	Verify bool
	// Volatile turns fsync off: faster, but a crash of the machine loses data.
	// A crash of the server alone does not.
	Volatile bool
	// Settings are additional server settings, such as max_connections.
	Settings map[string]string
}

// Server is a running PostgreSQL.
type Server struct {
	Host string
	Port int
	// Dir is the data folder of Options; it contains the log, server.log.
	Dir string

	cluster  cluster
	notes    bool // a clean stop writes the manifest
	password string
	process  *daemon.Process
	log      *os.File
}

// Start starts the server and returns when it answers SQL. ctx applies to the
// start only; call Stop to end the server.
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
	if c.account, err = Account(); err != nil {
		return nil, err
	}
	existed, err := c.prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	verified := true
	if existed && o.Verify {
		if verified, err = c.verify(ctx); err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
	}
	if err := os.Remove(c.manifestFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	s, err := c.startOnFreePort(ctx, o)
	if err == nil && !verified {
		s, err = c.startVerified(ctx, o, s)
	}
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return s, nil
}

// startVerified checks the files of a server that recovered from a crash. It
// stops the server for the check and starts it again.
func (c cluster) startVerified(ctx context.Context, o Options, s *Server) (*Server, error) {
	missing, err := s.missingFiles(ctx, c)
	var rejected *pgconn.PgError
	if errors.As(err, &rejected) {
		missing, err = []string{rejected.Message}, nil
	}
	if err == nil && len(missing) > 0 {
		err = &DamageError{Dir: c.dir, Files: missing}
	}
	s.notes = false // no manifest before the check
	if err = errors.Join(err, s.abandon(ctx)); err != nil {
		return nil, err
	}
	if err := c.verifyPages(ctx); err != nil {
		return nil, err
	}
	o.Port = s.Port
	return c.startOnFreePort(ctx, o)
}

// startOnFreePort starts the server on Options.Port, or on a free port.
func (c cluster) startOnFreePort(ctx context.Context, o Options) (*Server, error) {
	const attempts = 5 // another process may take the free port first
	for i := 1; ; i++ {
		s, err := c.start(ctx, o)
		if err == nil {
			if err := c.closeOldRules(ctx, s); err != nil {
				return nil, errors.Join(err, s.abandon(ctx))
			}
			return s, nil
		}
		if i == attempts || o.Port != 0 || !errors.Is(err, ErrPortTaken) {
			return nil, err
		}
	}
}

// ErrPortTaken is returned if another program uses the port.
var ErrPortTaken = errors.New("port is taken")

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
	if err := daemon.WriteFile(c.rulesFile(), []byte(rules), c.account); err != nil {
		return nil, err
	}
	log, err := daemon.CreateFile(filepath.Join(c.dir, "server.log"))
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	s := &Server{Host: "127.0.0.1", Port: port, Dir: c.dir, cluster: c, notes: !o.Volatile, password: password, log: log}
	s.process, err = daemon.Start(daemon.Spec{
		Path: filepath.Join(c.bin, "postgres"), Args: c.arguments(o, port), Env: daemon.Environment(), Dir: c.dir,
		Account: c.account, Log: log, Orphaned: syscall.SIGINT,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.abandon(ctx))
	}
	return s, nil
}

// abandon stops a server whose start failed.
func (s *Server) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.Stop(ctx)
}

// bound is the line that the server logs when it listens on its port. Until
// then another program may be listening there, which must not see a password.
const bound = "database system is ready to accept connections"

// ready waits until the server listens on its port and responds.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := s.logged()
		if err != nil {
			return err
		}
		if strings.Contains(text, bound) {
			err := s.answers(ctx)
			if err == nil {
				return nil
			}
			// The server listens and rejects the login: its catalogs are
			// damaged, or its password is.
			var rejected *pgconn.PgError
			if errors.As(err, &rejected) && rejected.Code[:2] != "57" && rejected.Code[:2] != "53" {
				return &DamageError{Dir: s.Dir, Files: []string{rejected.Message + " (SQLSTATE " + rejected.Code + ")"}}
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

func (s *Server) answers(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return conn.Ping(ctx)
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
	if strings.Contains(text, "could not bind") {
		return ErrPortTaken
	}
	if damage := s.cluster.damageIn(text); damage != nil {
		return damage
	}
	return fmt.Errorf("server ended: %w\n%s", s.process.Err(), tail(text, 10))
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// URL returns the connection URL of a role in a database, without TLS and with
// the password of Password. For the master user replace the password by the one
// given to CreateRDS.
func (s *Server) URL(user, db string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, s.Password(user)), Path: "/" + db, RawQuery: "sslmode=disable",
		Host: s.Host + ":" + strconv.Itoa(s.Port),
	}
	return u.String()
}

// Done is closed when the server has ended, for any reason.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// PID returns the process id of the server's main process.
func (s *Server) PID() int { return s.process.PID() }

// Stop stops the server; it may be called repeatedly. It closes open
// connections and keeps everything that was committed. If ctx ends first, the
// server is killed.
func (s *Server) Stop(ctx context.Context) error {
	ended := false
	select {
	case <-s.process.Done():
		ended = true
	default:
	}
	err := errors.Join(s.process.Stop(ctx, syscall.SIGINT), s.closeLog())
	if err == nil && s.notes && !ended && s.process.Err() == nil {
		err = s.cluster.writeManifest()
	}
	return err
}

// Crash stops the server immediately, like a power failure of the server alone:
// the next Start on the folder recovers from the WAL.
func (s *Server) Crash(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGQUIT), s.closeLog())
}

func (s *Server) closeLog() error {
	if err := s.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close server log: %w", err)
	}
	return nil
}
