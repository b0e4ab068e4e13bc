package pgiam_test

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/servers/pgiam"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

func start(t *testing.T) (*pgiam.Proxy, *testca.CA, *atomic.Int64) {
	t.Helper()
	server, err := pgserver.Start(t.Context(), pgserver.Options{Dir: t.TempDir(), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := server.CreateRDS(t.Context(), "chief", "a-password", "analytics"); err != nil {
		t.Fatal(err)
	}
	ca, err := testca.New()
	if err != nil {
		t.Fatal(err)
	}
	later := new(atomic.Int64) // how far the proxy's clock is ahead, in seconds
	p, err := pgiam.Start(t.Context(), pgiam.Options{
		BackendURL: server.URL(pgserver.Superuser, "postgres"), Master: "chief", Region: "us-east-1", CA: ca,
		Keys: sigv4.NewKeys(sigv4.Credential{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session", Principal: "Loader"}),
		Now:  func() time.Time { return time.Now().Add(time.Duration(later.Load()) * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p, ca, later
}

func connect(t *testing.T, p *pgiam.Proxy, ca *testca.CA, user, password string) (*pgx.Conn, error) {
	t.Helper()
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: p.Addr(), Path: "/analytics", RawQuery: "sslmode=require&application_name=test"}
	c, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	if ca == nil {
		c.TLSConfig = nil
	} else {
		c.TLSConfig.RootCAs, c.TLSConfig.ServerName, c.TLSConfig.InsecureSkipVerify = ca.Pool(), "127.0.0.1", false
	}
	c.Fallbacks = nil
	conn, err := pgx.ConnectConfig(t.Context(), c)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

func token(t *testing.T, endpoint, user, secret string) string {
	t.Helper()
	out, err := auth.BuildAuthToken(t.Context(), endpoint, "us-east-1", user, credentials.NewStaticCredentialsProvider("AKID", secret, "session"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLogins(t *testing.T) {
	p, ca, later := start(t)
	master, err := connect(t, p, ca, "chief", "a-password")
	if err != nil {
		t.Fatal(err)
	}
	var app string
	if err := master.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&app); err != nil || app != "test" {
		t.Errorf("application name is %q, %v", app, err)
	}
	if _, err := master.Exec(t.Context(), "CREATE ROLE loader LOGIN; GRANT rds_iam TO loader"); err != nil {
		t.Fatal(err)
	}
	good := token(t, p.Addr(), "loader", "secret")
	for _, tt := range []struct {
		name, user, password, want string
		ca                         *testca.CA
		later                      int64 // seconds
	}{
		{name: "token", user: "loader", password: good, ca: ca},
		{name: "no encryption", user: "loader", password: good, want: "no encryption"},
		{name: "wrong secret", user: "loader", password: token(t, p.Addr(), "loader", "other"), ca: ca, want: "PAM authentication failed"},
		{name: "another user's token", user: "loader", password: token(t, p.Addr(), "reader", "secret"), ca: ca, want: "PAM authentication failed"},
		{name: "another host's token", user: "loader", password: token(t, "127.0.0.1:1", "loader", "secret"), ca: ca, want: "PAM authentication failed"},
		{name: "old token", user: "loader", password: good, ca: ca, later: 901, want: "PAM authentication failed"},
		{name: "password instead of a token", user: "loader", password: "a-password", ca: ca, want: "PAM authentication failed"},
		{name: "master's wrong password", user: "chief", password: "other", ca: ca, want: "password authentication failed"},
		{name: "nobody", user: "nobody", password: "x", ca: ca, want: "authentication failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			later.Store(tt.later)
			conn, err := connect(t, p, tt.ca, tt.user, tt.password)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("error is %v, want %q", err, tt.want)
			}
			if err != nil {
				return
			}
			var user string
			if err := conn.QueryRow(t.Context(), "SELECT current_user").Scan(&user); err != nil || user != tt.user {
				t.Errorf("user is %q, %v", user, err)
			}
		})
	}
	var accepted int
	for _, l := range p.Logins() {
		if l.OK && l.Kind == "iam" && l.Principal == "Loader" {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d logins by token were accepted: %+v", accepted, p.Logins())
	}
}

// TestCancel interrupts a running statement through the proxy.
func TestCancel(t *testing.T) {
	p, ca, _ := start(t)
	conn, err := connect(t, p, ca, "chief", "a-password")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(20)")
		done <- err
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "canceling statement") {
				t.Errorf("error is %v", err)
			}
			return
		case <-tick.C:
			if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
