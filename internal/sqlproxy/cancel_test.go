package sqlproxy_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// TestCancel cancels statements in each way; the server must end them within a second.
func TestCancel(t *testing.T) {
	p := startProxy(t)
	master := p.Conn(t)
	running := func() (n int) {
		t.Helper()
		if err := master.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'streamctl_sql' AND state = 'active' AND query LIKE '%pg_sleep%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	wait := func(what string, want int) {
		t.Helper()
		begin := time.Now()
		for running() != want {
			if time.Since(begin) > 5*time.Second {
				t.Fatalf("%s: %d statements run", what, running())
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s: took %s", what, took)
		}
	}
	for _, how := range []string{"the client's context", "a request to cancel", "a closed connection"} {
		t.Run(how, func(t *testing.T) {
			conn := p.connect(t, "")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := conn.Exec(ctx, "SELECT pg_sleep(300)")
				ended <- err
			}()
			wait("start", 1)
			switch how {
			case "the client's context":
				cancel()
			case "a request to cancel":
				if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
					t.Fatal(err)
				}
			default:
				if err := conn.PgConn().Conn().Close(); err != nil {
					t.Fatal(err)
				}
			}
			wait("end", 0)
			if err := <-ended; err == nil {
				t.Error("no error")
			} else {
				t.Log(fmt.Sprint(err))
			}
		})
	}
}
