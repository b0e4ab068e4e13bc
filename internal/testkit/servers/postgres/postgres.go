// Package postgres provides tests with a real PostgreSQL that looks like RDS:
// the master user is not a superuser, and rds_iam exists. Tests are never
// skipped: on a machine without PostgreSQL they fail with installation
// instructions.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Master is the master user's name, and MasterPassword its password.
const (
	Master         = "analytics_admin"
	MasterPassword = "Master-Password-1"
)

// BinVariable is the environment variable with the folder of another
// PostgreSQL's binaries.
const BinVariable = "STREAMCTL_TEST_POSTGRES_BIN"

// Shared is one server for the tests of a package, created by TestMain. It
// starts with the first test that needs it.
type Shared struct {
	// Durable makes the server wait for its disk at each commit, as it does by
	// default: for benchmarks.
	Durable bool

	once   sync.Once
	server *Server
	err    error
	count  int
	mu     sync.Mutex
}

// Run runs a package's tests and stops the server. Use it in TestMain:
// os.Exit(shared.Run(m)).
func (s *Shared) Run(m *testing.M) int {
	code := m.Run()
	if s.server == nil {
		return code
	}
	if err := s.server.close(context.Background()); err != nil { // called by TestMain
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Server is a running server.
type Server struct {
	*pgserver.Server
	dir string
}

// Options returns the server's options, for tests that start a server of their
// own.
func Options(dir string) pgserver.Options {
	return pgserver.Options{
		Dir: dir, BinDir: os.Getenv(BinVariable), Volatile: true,
		Template: Template(),
		Settings: map[string]string{"max_connections": "60", "shared_buffers": "64MB"},
	}
}

// Template is the folder with an initialized cluster for later tests. Its name
// is predictable: pgserver uses it only if it belongs to this user and is not a
// link.
func Template() string {
	return filepath.Join(os.TempDir(), "streamctl-postgres-template-"+strconv.Itoa(os.Geteuid()))
}

// Start starts a server for one test, without roles of the project. It stops
// when the test ends. Its database is "postgres".
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(t.Context(), false)
	if err != nil {
		t.Fatal(hinted(err))
	}
	t.Cleanup(func() {
		if err := s.close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func start(ctx context.Context, durable bool) (*Server, error) {
	dir, err := os.MkdirTemp("", "streamctl-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	options := Options(dir)
	options.Volatile = !durable
	s, err := pgserver.Start(ctx, options)
	if err == nil {
		err = s.CreateRDS(ctx, Master, MasterPassword, contract.DatabaseName)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{Server: s, dir: dir}, nil
}

func (s *Server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return errors.Join(s.Stop(ctx), os.RemoveAll(s.dir))
}

func hinted(err error) error {
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		return fmt.Errorf("%w: %s", err, hint.Hint())
	}
	return err
}

// Database is the database of one test.
type Database struct {
	Name   string
	server *Server
}

// Empty creates a database that the master user owns, without the schema.
func (s *Shared) Empty(t testing.TB) *Database {
	t.Helper()
	s.once.Do(func() { s.server, s.err = start(context.WithoutCancel(t.Context()), s.Durable) })
	if s.err != nil {
		t.Fatal(hinted(s.err))
	}
	s.mu.Lock()
	s.count++
	d := &Database{Name: "test_" + strconv.Itoa(s.count), server: s.server}
	s.mu.Unlock()
	conn, err := pgx.Connect(t.Context(), s.server.URL(pgserver.Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // nothing left to write
	sql := "CREATE DATABASE " + d.Name + " OWNER " + Master + " TEMPLATE template0"
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	return d
}

// Warehouse creates a database with roles, schema and the partitions of
// firstDay to lastDay.
func (s *Shared) Warehouse(t testing.TB, firstDay, lastDay time.Time) *Database {
	t.Helper()
	d := s.Empty(t)
	d.EnsureRoles(t)
	owner := d.As(t, contract.RoleOwner)
	if _, err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.EnsurePartitions(t.Context(), firstDay, lastDay, pause.For); err != nil {
		t.Fatal(err)
	}
	return d
}

// EnsureRoles creates the roles, which may log in.
func (d *Database) EnsureRoles(t testing.TB) {
	t.Helper()
	master := warehouse.NewURL(d.MasterURL())
	if err := errors.Join(master.EnsureRoles(t.Context()), master.Close(t.Context()), d.server.AdmitRoles(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// URL returns the connection URL of a role that AdmitRoles was called for, or
// of the superuser.
func (d *Database) URL(user string) string { return d.server.URL(user, d.Name) }

// MasterURL returns the master user's connection URL.
func (d *Database) MasterURL() string { return d.server.MasterURL(d.Name) }

// MasterURL returns the master user's connection URL to a database.
func (s *Server) MasterURL(db string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(Master, MasterPassword), Path: "/" + db, RawQuery: "sslmode=disable",
		Host: s.Host + ":" + strconv.Itoa(s.Port),
	}
	return u.String()
}

// As opens the database as a role, until the test ends.
func (d *Database) As(t testing.TB, user string) *warehouse.DB {
	t.Helper()
	db := warehouse.NewURL(d.URL(user))
	t.Cleanup(func() {
		if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Conn opens a plain connection as the master user, until the test ends.
func (d *Database) Conn(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.MasterURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) }) //nolint:errcheck // only read from
	return conn
}
