package pgserver_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/pgserver"
)

func start(t *testing.T, o pgserver.Options) *pgserver.Server {
	t.Helper()
	s, err := pgserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func query(t *testing.T, connection, sql string) (string, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), connection)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var text string
	err = conn.QueryRow(t.Context(), sql).Scan(&text)
	return text, err
}

func TestServerKeepsDataOverRestartAndCrash(t *testing.T) {
	o := pgserver.Options{Dir: t.TempDir(), Template: filepath.Join(t.TempDir(), "template"), Volatile: true}
	s := start(t, o)
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes'::text AS v"); err != nil {
		t.Fatal(err)
	}
	if err := s.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = start(t, o)
		got, err := query(t, s.URL(pgserver.Superuser, "postgres"), "SELECT v FROM kept")
		if err != nil || got != "yes" {
			t.Fatalf("kept row: %q, %v", got, err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCreateRDS(t *testing.T) {
	s := start(t, pgserver.Options{Dir: t.TempDir(), Volatile: true})
	defer s.Stop(context.WithoutCancel(t.Context()))
	if err := s.CreateRDS(t.Context(), "boss", `o'brien\`, "analytics"); err != nil {
		t.Fatal(err)
	}
	withPassword := func(user, password string) string {
		u, err := url.Parse(s.URL(user, "analytics"))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, password)
		return u.String()
	}
	master := withPassword("boss", `o'brien\`)
	got, err := query(t, master, "SELECT rolsuper::text || rolcreaterole || rolcreatedb FROM pg_roles WHERE rolname = current_user")
	if err != nil || got != "falsetruetrue" {
		t.Fatalf("master's rights: %q, %v", got, err)
	}
	if _, err := query(t, withPassword("boss", "wrong"), "SELECT ''"); err == nil {
		t.Error("a wrong password was accepted")
	}
	conn, err := pgx.Connect(t.Context(), master)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"CREATE ROLE app LOGIN", "GRANT rds_iam TO app"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := query(t, withPassword("app", ""), "SELECT ''"); err == nil {
		t.Error("a member of rds_iam needs no password")
	}
	for range 2 {
		if err := s.AdmitRoles(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := query(t, s.URL("app", "analytics"), "SELECT current_user::text"); err != nil || got != "app" {
		t.Errorf("member of rds_iam: %q, %v", got, err)
	}
}

func TestMissingBinaries(t *testing.T) {
	_, err := pgserver.Start(t.Context(), pgserver.Options{Dir: t.TempDir(), BinDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "find postgres") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}
