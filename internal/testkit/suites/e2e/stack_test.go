package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// briefEvent is the body of the documented curl.
const briefEvent = `{
  "userId": "user123",
  "eventType": "page_view",
  "properties": {
    "page": "/dashboard",
    "timestamp": "2023-12-01T10:00:00Z"
  }
}`

// stack is a deployed stack with its outputs.
type stack struct {
	*workplace
	name    string
	outputs map[string]string
}

// deployed reads the outputs of a stack with the program.
func (w *workplace) deployed(name string, args ...string) stack {
	w.t.Helper()
	r := w.streamctl(append([]string{"outputs", "-o", "json"}, args...)...).want(0)
	s := stack{workplace: w, name: name}
	if err := json.Unmarshal([]byte(r.stdout), &s.outputs); err != nil {
		w.t.Fatalf("%v\n%s", err, r.stdout)
	}
	return s
}

// eventually retries until success, for at most two minutes.
func eventually(t testing.TB, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

// send posts a body, signed, to the API under its own name: the stand-in serves
// no other domain.
func (s stack) send(body string) (status int, answer string) {
	s.t.Helper()
	status, text, err := s.platform.Call(s.t.Context(), "POST", "https://"+s.outputs["ApiGatewayUrl"]+"/events", []byte(body), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, string(text)
}

// query requests a metric, signed.
func (s stack) query(ctx context.Context, path string) (status int, answer string, err error) {
	status, text, err := s.platform.Call(ctx, "GET", "https://"+s.outputs["ApiGatewayUrl"]+path, nil, nil)
	return status, string(text), err
}

// master connects to the database like the documented script: with the master
// user's name and password, over fully verified TLS.
func (s stack) master() *pgx.Conn {
	s.t.Helper()
	pem, err := os.ReadFile(s.platform.Fake.CAFile)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config, err := pgx.ParseConfig("postgres://analytics_admin@" + net.JoinHostPort(s.outputs["DatabaseEndpoint"], s.outputs["DatabasePort"]) + "/analytics")
	if err != nil {
		s.t.Fatal(err)
	}
	config.Password = password
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: s.outputs["DatabaseEndpoint"], MinVersion: tls.VersionTLS12}
	conn, err := pgx.ConnectConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatalf("log in as the master user: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// redis connects directly, without the login proxy.
func (s stack) redis() *redis.Client {
	s.t.Helper()
	id, _ := s.platform.Fake.PhysicalID(s.name, "Cache")
	cache, ok := s.platform.Fake.Cache(id)
	if !ok {
		s.t.Fatalf("no cache %q", id)
	}
	addr, secret := cache.(interface{ Backend() (string, string) }).Backend()
	client := redis.NewClient(&redis.Options{Addr: addr, Password: secret})
	return client
}

// archived returns every line of the raw archive.
func (s stack) archived() (lines []string, err error) {
	bucket := s.outputs["ArchiveBucket"]
	for _, key := range s.platform.Fake.Objects().Keys(bucket) {
		if !strings.HasPrefix(key, "raw/v1/dt=") {
			continue
		}
		object, err := s.platform.Fake.Objects().Get(bucket, key)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bytes.NewReader(object))
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(z)
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return lines, nil
}

// exercise sends the documented event and finds it in SQL, in the cache, in the
// archive and in the API's response.
func (s stack) exercise() {
	s.t.Helper()
	if status, answer := s.send(briefEvent); status != 202 || !strings.Contains(answer, "eventId") {
		s.t.Fatalf("send: %d %s", status, answer)
	}
	s.findInSQL()
	eventually(s.t, "find the event in the archive", func(context.Context) error {
		lines, err := s.archived()
		if err == nil && !strings.Contains(strings.Join(lines, "\n"), `"page": "/dashboard"`) && !strings.Contains(strings.Join(lines, "\n"), `"page":"/dashboard"`) {
			err = errors.New("not there yet")
		}
		return err
	})
	client := s.redis()
	defer client.Close()
	eventually(s.t, "find the event in the cache", func(ctx context.Context) error {
		keys, err := client.Keys(ctx, "m:*").Result()
		if err != nil {
			return err
		}
		for _, key := range keys {
			fields, err := client.HGetAll(ctx, key).Result()
			if err != nil {
				return err
			}
			for field := range fields {
				if strings.HasPrefix(field, "page_view/") {
					return nil
				}
			}
		}
		return errors.New("not there yet")
	})
	eventually(s.t, "read the metric", func(ctx context.Context) error {
		status, answer, err := s.query(ctx, "/metrics/summary")
		if err == nil && (status != 200 || !strings.Contains(answer, "page_view")) {
			err = errors.New(answer)
		}
		return err
	})
}

// findInSQL runs the documented statements as the master user.
func (s stack) findInSQL() {
	s.t.Helper()
	conn := s.master()
	eventually(s.t, "count the event in SQL", func(ctx context.Context) error {
		rows, err := conn.Query(ctx, `
    SELECT event_type, COUNT(*) 
    FROM events 
    WHERE timestamp >= NOW() - INTERVAL '1 hour'
    GROUP BY event_type
`)
		if err != nil {
			return err
		}
		counts := map[string]int64{}
		var kind string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error { counts[kind] = n; return nil }); err != nil {
			return err
		}
		if counts["page_view"] < 1 {
			return errors.New("not there yet")
		}
		return nil
	})
}

// aws runs the AWS CLI.
func (w *workplace) aws(args ...string) result {
	w.t.Helper()
	return w.run("aws", args...)
}

// existing lists the remaining resources of a stack and leftovers of no stack,
// without the account's own.
func existing(f *awsfake.Fake, name string) string {
	var out []string
	for _, e := range f.Existing() {
		if e.Type == "AWS::ApiGateway::Account" { // a setting that can't be removed
			continue
		}
		if e.StackName == name || strings.Contains(e.PhysicalID, name+"-") || strings.HasSuffix(e.PhysicalID, name) {
			out = append(out, e.Type+" "+e.LogicalID)
		}
	}
	return strings.Join(out, "\n")
}

func have(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is missing: run `make setup`", p)
		}
	}
}
