package deploy_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// recorder consents and records the questions.
type recorder struct {
	asked       []string
	checkUpdate error
}

func (r *recorder) decisions() deploy.Decisions {
	return deploy.Decisions{
		CheckOwner: func(_ context.Context, s stack.Stack) error {
			r.asked = append(r.asked, "owner")
			return nil
		},
		CheckUpdate: func(stack.Current, stack.Spec) ([]string, error) {
			r.asked = append(r.asked, "update")
			return nil, r.checkUpdate
		},
		Approve: func(context.Context, []stack.Change) error {
			r.asked = append(r.asked, "approve")
			return nil
		},
		ConfirmRecreate: func(context.Context, string, string) error {
			r.asked = append(r.asked, "recreate")
			return nil
		},
	}
}

func (c change) specification() deploy.Spec {
	return deploy.Spec{
		Stack: c.Stack, ArtifactBucket: artifactBucket, Wait: c.Wait, ContinueRollback: c.ContinueRollback, Skip: c.Skip,
		Build: func(context.Context, stack.Current) (deploy.Build, error) { return deploy.Build{Spec: c.Spec}, nil },
	}
}

// TestEveryUpdateIsDecided reaches an update on each path: directly, after waiting for
// another operation, and after a continued rollback.
func TestEveryUpdateIsDecided(t *testing.T) {
	want := []string{"owner", "update", "approve"}
	for name, stage := range map[string]func(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, failures *atomic.Int64, c *change) (before func()){
		"at once": func(*testing.T, *deploy.Operator, *awsfake.Fake, *atomic.Int64, *change) func() { return func() {} },
		"after waiting": func(t *testing.T, _ *deploy.Operator, fake *awsfake.Fake, _ *atomic.Int64, c *change) func() {
			c.Wait = true
			set(t, fake, "UPDATE_ROLLBACK_IN_PROGRESS")
			return func() { set(t, fake, "UPDATE_ROLLBACK_COMPLETE") }
		},
		"after a continued rollback": func(t *testing.T, op *deploy.Operator, _ *awsfake.Fake, failures *atomic.Int64, c *change) func() {
			c.ContinueRollback = true
			failRollback(t, op, failures)
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var op *deploy.Operator
			var fake *awsfake.Fake
			failures := &atomic.Int64{} // remaining failures of the topic
			op, fake, _ = operator(t, awsfake.Options{Delay: func(kind string) time.Duration {
				if kind == "AWS::SNS::Topic" && failures.Add(-1) >= 0 {
					fake.FailResource("Topic", "the topic rejects it")
				}
				return 0
			}})
			apply(t, op, request(t, "one", false))
			c := later(request(t, "two", false))
			settle := stage(t, op, fake, failures, &c)
			op.Report = func(e stack.Event) {
				if e.Kind == stack.KindWaiting {
					settle()
				}
			}
			r := &recorder{}
			outcome, err := op.Run(t.Context(), c.specification(), r.decisions())
			if err != nil || !outcome.Changed || !slices.Equal(r.asked, want) {
				t.Errorf("%+v, %v; asked %v, want %v", outcome.Stack.Status, err, r.asked, want)
			}

			refused := errors.New("refused")
			c = later(request(t, "three", false))
			settle = stage(t, op, fake, failures, &c)
			fake.ResetCalls()
			if _, err := op.Run(t.Context(), c.specification(), (&recorder{checkUpdate: refused}).decisions()); !errors.Is(err, refused) {
				t.Errorf("the check was skipped: %v", err)
			}
			for _, call := range fake.Calls() {
				if slices.Contains([]string{"UpdateStack", "ExecuteChangeSet", "CreateChangeSet", "PutObject"}, call.Operation) {
					t.Errorf("%s before the check", call.Operation)
				}
			}
		})
	}
}

// failRollback makes an update of the topic fail, and its rollback too.
func failRollback(t *testing.T, op *deploy.Operator, failures *atomic.Int64) {
	t.Helper()
	failures.Store(2)
	var failed *stack.FailedError
	if _, err := run(t.Context(), op, later(request(t, "failing", false))); !errors.As(err, &failed) || failed.Status != string(stack.StatusUpdateRbFailed) {
		t.Fatalf("the rollback did not fail: %v", err)
	}
}

func set(t *testing.T, fake *awsfake.Fake, status string) {
	t.Helper()
	if err := fake.SetStackStatus("events", status); err != nil {
		t.Error(err)
	}
}

// TestOtherProjectsStackIsNotChanged stops at the owner, before an update and before
// the remains of a failed create are deleted.
func TestOtherProjectsStackIsNotChanged(t *testing.T) {
	for _, status := range []string{"UPDATE_COMPLETE", "ROLLBACK_COMPLETE"} {
		op, fake, _ := operator(t, awsfake.Options{})
		apply(t, op, request(t, "one", false))
		set(t, fake, status)
		theirs := errors.New("another project's")
		d := (&recorder{}).decisions()
		d.CheckOwner = func(_ context.Context, s stack.Stack) error {
			if s.Tags["Project"] != "events" {
				t.Errorf("tags %v", s.Tags)
			}
			return theirs
		}
		if _, err := op.Run(t.Context(), later(request(t, "two", false)).specification(), d); !errors.Is(err, theirs) {
			t.Errorf("%s: %v", status, err)
		}
		if now, err := op.Describe(t.Context(), "events"); err != nil || string(now.Status) != status {
			t.Errorf("%s: it was changed: %v, %v", status, now.Status, err)
		}
	}
}

// TestStatusTableOfCodeAndCompare runs an update of code alone and a comparison on a
// stack in each status.
func TestStatusTableOfCodeAndCompare(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	for _, s := range stack.States() {
		if s.Status == stack.StatusNone || s.Status == stack.StatusDeleteComplete {
			continue
		}
		t.Run(string(s.Status), func(t *testing.T) {
			set(t, fake, string(s.Status))
			spec := later(request(t, "two", false)).specification()
			_, compared := op.Compare(t.Context(), spec, "compare")
			code := spec
			code.CodeOnly = true
			code.Build = func(context.Context, stack.Current) (deploy.Build, error) {
				return deploy.Build{Spec: stack.Spec{Parameters: map[string]string{"Text": "one"}}}, nil
			}
			_, ran := op.Run(t.Context(), code, deploy.Decisions{})
			wantCompared, wantRan := failure.Stack, failure.Stack
			switch s.Deploy {
			case stack.Update:
				wantCompared, wantRan = failure.Other, failure.Other
			case stack.Attach, stack.Wait:
				wantCompared, wantRan = failure.Busy, failure.Busy
			case stack.Recreate: // the caller decides
				wantCompared = failure.Other
			}
			if failure.Of(compared) != wantCompared || wantCompared == failure.Other && compared != nil {
				t.Errorf("compare: class %d, want %d: %v", failure.Of(compared), wantCompared, compared)
			}
			if failure.Of(ran) != wantRan || wantRan == failure.Other && ran != nil {
				t.Errorf("code only: class %d, want %d: %v", failure.Of(ran), wantRan, ran)
			}
			if ran != nil && strings.Contains(ran.Error(), "another operation is running") != (wantRan == failure.Busy) {
				t.Errorf("code only: %v", ran)
			}
		})
	}
}

// TestCompareChangesNothing allows only read calls.
func TestCompareChangesNothing(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	fake.ResetCalls()
	if _, err := op.Compare(t.Context(), later(request(t, "two", false)).specification(), "compare"); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Inspect(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	if _, err := op.PlanDestroy(t.Context(), "events", deploy.DestroyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, call := range fake.Calls() {
		if !slices.ContainsFunc([]string{"Describe", "Get", "List"}, func(prefix string) bool { return strings.HasPrefix(call.Operation, prefix) }) {
			t.Errorf("%s:%s", call.Service, call.Operation)
		}
	}
}

// TestUnreachableWhileFollowing disconnects the network during an update. The command
// ends after three polls and reports how to follow the operation; the same command run
// again follows it to its end.
func TestUnreachableWhileFollowing(t *testing.T) {
	release := make(chan struct{})
	end := sync.OnceFunc(func() { close(release) })
	defer end() // the stand-in waits for it
	var slow atomic.Bool
	op, fake, _ := operator(t, awsfake.Options{Delay: func(string) time.Duration {
		if slow.Load() {
			<-release
		}
		return 0
	}})
	apply(t, op, request(t, "one", false))
	var cut atomic.Bool
	at, err := url.Parse(fake.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cut.Load() {
			panic(http.ErrAbortHandler) // the connection ends without a response
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = front.Serve(listener) }()
	t.Cleanup(func() { _ = front.Close() })
	cfg := config(fake, quickly)
	endpoint := "http://" + listener.Addr().String()
	cfg.BaseEndpoint = &endpoint
	own := *op
	own.Clients = deploy.NewClients(cfg, true)
	var waits atomic.Int64
	own.Report = func(e stack.Event) {
		switch {
		case e.Kind == stack.KindResource:
			cut.Store(true)
		case e.Kind == stack.KindWaiting && strings.HasPrefix(e.Text, "AWS to be reachable"):
			waits.Add(1)
		}
	}
	c := later(request(t, "two", false))
	_, err = own.Run(t.Context(), c.specification(), deploy.Decisions{Approve: func(context.Context, []stack.Change) error {
		slow.Store(true)
		return nil
	}})
	var left *stack.LeftRunningError
	if !errors.As(err, &left) || !left.Unreachable || failure.Of(err) != failure.Network || !strings.Contains(left.Hint(), "status --follow --stack-name events") {
		t.Fatalf("got %v", err)
	}
	if waits.Load() != 2 {
		t.Errorf("%d waits were reported, want 2", waits.Load())
	}
	slow.Store(false)
	end()
	if outcome, err := op.Run(t.Context(), c.specification(), deploy.Decisions{}); err != nil || outcome.Stack.Status != stack.StatusUpdated {
		t.Errorf("again: %+v, %v", outcome.Stack.Status, err)
	}
}
