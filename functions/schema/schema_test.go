package schema_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/functions/schema"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// rig is a handler with a clock that only pauses advance, and its responses.
type rig struct {
	*schema.Handler
	now     time.Time
	answers []cfn.Response
	log     bytes.Buffer
}

func newRig(t *testing.T) *rig {
	r := &rig{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		var answer cfn.Response
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Error(err)
		}
		if _, has := req.Header["Content-Type"]; has || req.Method != http.MethodPut || req.ContentLength != int64(len(body)) || len(body) > 4096 {
			t.Errorf("%s with %v, %d bytes", req.Method, req.Header, req.ContentLength)
		}
		r.answers = append(r.answers, answer)
	}))
	t.Cleanup(server.Close)
	clock := pause.Clock{Time: func() time.Time { return r.now }, Wait: r.pause}
	deliver := schema.Deliver(server.Client(), clock)
	r.Handler = schema.New(contract.Schema{EventMaxAgeDays: 3}, schema.Deps{
		Respond: func(ctx context.Context, _ string, body []byte) error {
			return deliver(ctx, server.URL+"/?signature=x", body)
		},
		Clock: clock, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	return r
}

func (r *rig) pause(ctx context.Context, d time.Duration) error {
	r.now = r.now.Add(d)
	return ctx.Err()
}

func request(kind cfn.RequestType, password string) cfn.Event {
	return cfn.Event{
		RequestType: kind, RequestID: "r", StackID: "s", LogicalResourceID: "l", PhysicalResourceID: "streamctl-schema",
		ResponseURL: "https://example.invalid/",
		ResourceProperties: contract.MigrationProperties{
			CodeKey: "k", DatabaseResourceID: "db-1", MasterUsername: postgres.Master, MasterPassword: password,
			LoaderConnections: "4", ReaderConnections: "0",
		}.Values(),
	}
}

func (r *rig) expect(t *testing.T, e cfn.Event, status cfn.StatusType, reason string) {
	t.Helper()
	r.answers = nil
	if err := r.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if len(r.answers) != 1 {
		t.Fatalf("%d answers", len(r.answers))
	}
	a := r.answers[0]
	if a.Status != status || !strings.Contains(a.Reason, reason) {
		t.Errorf("answered %s %q, want %s %q", a.Status, a.Reason, status, reason)
	}
	if a.PhysicalResourceID != "streamctl-schema" || a.RequestID != "r" || a.StackID != "s" || a.LogicalResourceID != "l" {
		t.Errorf("answer is %+v", a)
	}
	for _, secret := range []string{postgres.MasterPassword, "Wrong-Password", "signature"} {
		if strings.Contains(r.log.String(), secret) || strings.Contains(a.Reason, secret) {
			t.Errorf("the response contains %q", secret)
		}
	}
}

// admitting lets the new roles log in, as IAM does on AWS.
type admitting struct {
	*warehouse.DB
	server *postgres.Server
}

func (a *admitting) EnsureRoles(ctx context.Context) error {
	return errors.Join(a.DB.EnsureRoles(ctx), a.server.AdmitRoles(ctx))
}

func TestDeployOnANewDatabase(t *testing.T) {
	server := postgres.Start(t)
	r := newRig(t)
	r.Owner = func() schema.Warehouse {
		return warehouse.NewURL(server.URL(contract.RoleOwner, contract.DatabaseName))
	}
	masterLogins := 0
	r.Master = func(user, password string) schema.Master {
		masterLogins++
		u, err := url.Parse(server.URL(user, contract.DatabaseName))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, password)
		return &admitting{warehouse.NewURL(u.String()), server}
	}
	r.expect(t, request(cfn.RequestCreate, "Wrong-Password-1"), cfn.StatusFailed, "28P01")
	create := request(cfn.RequestCreate, postgres.MasterPassword)
	create.ResourceProperties["Metrics"] = `[{"Name":"revenue","EventType":"purchase","Sum":"properties.amount"}]`
	r.expect(t, create, cfn.StatusSuccess, "")
	r.expect(t, request(cfn.RequestUpdate, "Wrong-Password-1"), cfn.StatusSuccess, "") // the owner needs no master user
	if masterLogins != 2 {
		t.Errorf("%d logins as the master user", masterLogins)
	}
	conn, err := pgx.Connect(t.Context(), server.MasterURL(contract.DatabaseName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var days, limit int
	var declared string
	err = conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass),
		(SELECT rolconnlimit FROM pg_roles WHERE rolname = $1),
		(SELECT string_agg(name || ' ' || active, ', ' ORDER BY name) FROM metric)`, contract.RoleLoader).Scan(&days, &limit, &declared)
	if err != nil || days != 3+1+warehouse.DaysAhead || limit != 4 || declared != "events true, revenue false" { // the update declares no metric
		t.Errorf("%d days, limit %d, metrics %s, %v", days, limit, declared, err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect(t, request(cfn.RequestDelete, "x"), cfn.StatusSuccess, "")
	before := r.now
	r.expect(t, request(cfn.RequestUpdate, "x"), cfn.StatusFailed, "connect to warehouse")
	if waited := r.now.Sub(before); waited < 2*time.Minute || waited > 3*time.Minute {
		t.Errorf("waited %s for an unreachable database", waited)
	}
}

// stub fails to migrate with the given errors, one per call.
type stub struct {
	schema.Warehouse
	errs []error
}

func (s *stub) Migrate(ctx context.Context) (int, error) {
	if len(s.errs) == 0 {
		return 1, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	if errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 0, err
}
func (*stub) EnsureRoles(context.Context) error                     { return nil }
func (*stub) EnsureSQLRole(context.Context) (bool, error)           { return true, nil }
func (*stub) SetRoles(context.Context, warehouse.Limits) error      { return nil }
func (*stub) SetMetrics(context.Context, []metric.Definition) error { return nil }

func (*stub) ReserveEventTypes(context.Context, []string) error    { return nil }
func (*stub) SetInsightProperties(context.Context, []string) error { return nil }
func (*stub) Close(context.Context) error                          { return nil }
func (*stub) EnsurePartitions(context.Context, time.Time, time.Time, func(context.Context, time.Duration) error) (int, error) {
	return 0, nil
}

func TestErrorsThatPass(t *testing.T) {
	starting, refused := &pgconn.PgError{Code: "57P03"}, &pgconn.PgError{Code: "28000"}
	for name, c := range map[string]struct {
		errs   []error
		status cfn.StatusType
		reason string
	}{
		"the server is starting":                  {[]error{starting, starting}, cfn.StatusSuccess, ""},
		"the login permission takes effect later": {[]error{refused, refused, refused}, cfn.StatusSuccess, ""},
		"another error":                           {[]error{errors.New("a changed migration")}, cfn.StatusFailed, "a changed migration"},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRig(t), &stub{errs: c.errs}
			r.Owner = func() schema.Warehouse { return s }
			r.Master = func(string, string) schema.Master { return s }
			r.expect(t, request(cfn.RequestCreate, "p"), c.status, c.reason)
		})
	}
}

func TestAnswersBeforeTheDeadline(t *testing.T) {
	r := newRig(t)
	r.Owner = func() schema.Warehouse { return &stub{errs: []error{context.DeadlineExceeded}} }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+50*time.Millisecond) // the work gets the time beyond 10 s
	defer cancel()
	if err := r.Handle(ctx, request(cfn.RequestCreate, "p")); err != nil {
		t.Fatal(err)
	}
	if len(r.answers) != 1 || r.answers[0].Status != cfn.StatusFailed || !strings.Contains(r.answers[0].Reason, "the function ran out of time") || ctx.Err() != nil {
		t.Errorf("answers are %+v", r.answers)
	}
}

func TestWrongPropertiesAreNamedWithoutValues(t *testing.T) {
	r := newRig(t)
	e := request(cfn.RequestCreate, postgres.MasterPassword)
	e.ResourceProperties["Metrics"] = "[{"
	r.expect(t, e, cfn.StatusFailed, "Metrics: ")
	e.ResourceProperties["Metrics"] = ""
	e.ResourceProperties["LoaderConnections"] = "many"
	r.expect(t, e, cfn.StatusFailed, "LoaderConnections: not a whole number")
	delete(e.ResourceProperties, "MasterUsername")
	r.expect(t, e, cfn.StatusFailed, "MasterUsername: not set")
}

func TestDeliverTriesAgain(t *testing.T) {
	statuses := []int{503, 500, 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
	}))
	defer server.Close()
	none := pause.Clock{Wait: func(context.Context, time.Duration) error { return nil }}
	if err := schema.Deliver(server.Client(), none)(t.Context(), server.URL, nil); err != nil || len(statuses) != 0 {
		t.Errorf("%v, %d statuses left", err, len(statuses))
	}
	statuses = []int{403, 200}
	if err := schema.Deliver(server.Client(), none)(t.Context(), server.URL, nil); err == nil || len(statuses) != 1 {
		t.Errorf("403 gives %v", err)
	}
	if err := schema.Deliver(server.Client(), none)(t.Context(), "http://127.0.0.1:1/?signature=x", nil); err == nil || strings.Contains(err.Error(), "signature") {
		t.Errorf("no connection gives %v", err)
	}
}
