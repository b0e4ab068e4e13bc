package sqlproxy_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqlproxy"
	"github.com/streamctl/streamctl/internal/sqlrun"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

const password = "Proxy-Password-1"

// proxy is a running proxy in front of a warehouse with 1,000 events.
type proxy struct {
	*postgres.Database
	server *sqlproxy.Server
	addr   string
}

func startProxy(t *testing.T, change ...func(*sqlproxy.Options)) proxy {
	t.Helper()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	d := shared.Warehouse(t, today.AddDate(0, 0, -1), today)
	if err := d.As(t, contract.RoleOwner).SetRoles(t.Context(), warehouse.Limits{}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Conn(t).Exec(t.Context(), `SET ROLE streamctl_tables; INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
		SELECT gen_random_uuid(), 'user' || n % 50, CASE n % 3 WHEN 0 THEN 'purchase' ELSE 'page_view' END, date_trunc('day', now(), 'UTC') + n * interval '1 second',
			jsonb_build_object('n', n, 'text', 'é' || n), now(), now() FROM generate_series(1, 1000) n`)
	if err != nil {
		t.Fatal(err)
	}
	o := sqlproxy.Options{
		Database: &sqlrun.Runner{Connect: warehouse.NewURL(d.URL(contract.RoleSQL)).Connect, Log: slog.New(slog.DiscardHandler)},
		Password: password, MaxParallel: 3, Timeout: time.Minute, Note: t.Logf,
	}
	if o.TLS, err = sqlproxy.NewTLS(time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&o)
	}
	s, err := sqlproxy.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return proxy{d, s, l.Addr().String()}
}

// url is the proxy's address for clients of libpq and pgx.
func (p proxy) url(parameters string) string {
	return "postgres://analytics_admin:" + password + "@" + p.addr + "/analytics" + parameters
}

func (p proxy) connect(t *testing.T, parameters string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url(parameters))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestPgx(t *testing.T) {
	p := startProxy(t)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			conn := p.connect(t, "?sslmode=require&default_query_exec_mode="+mode)
			for range 2 { // the second time, the statement is prepared
				rows, err := conn.Query(t.Context(), "SELECT event_type, count(*) FROM events WHERE user_id <> $1 GROUP BY 1 ORDER BY 1", "nobody")
				if err != nil {
					t.Fatal(err)
				}
				type count struct {
					Type string
					N    int64
				}
				got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[count])
				if err != nil || len(got) != 2 || got[0] != (count{"page_view", 667}) || got[1] != (count{"purchase", 333}) {
					t.Errorf("%v, %v", got, err)
				}
			}
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "SELECT 1/0"); err == nil {
				t.Error("no error")
			}
			if _, err := tx.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a failed transaction continues")
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
