package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// childVariable makes this test binary run one operation against a fake in a separate
// process, to be killed.
const childVariable = "STREAMCTL_DEPLOY_CHILD"

func TestMain(m *testing.M) {
	what := os.Getenv(childVariable)
	if what == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // TestMain is main
	defer stop()
	if err := child(ctx, what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child runs one operation as the command line would without a terminal.
func child(ctx context.Context, what string) error {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	op := &deploy.Operator{
		Clients: deploy.NewClients(aws.Config{
			Region: "us-east-1", BaseEndpoint: &endpoint, Retryer: quickly,
			Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		}, true),
		Layout: layout(), Report: func(stack.Event) {}, Poll: 6 * time.Millisecond, Token: func() string { return fmt.Sprint(rand.Uint64()) },
		Interrupted: func(ctx context.Context, _ string) (bool, context.Context) { return true, ctx },
	}
	var err error
	if op.Caller, err = deploy.Identify(ctx, op.STS, "us-east-1"); err != nil {
		return err
	}
	if destroys(what) {
		return destroy(ctx, op, what)
	}
	_, err = run(ctx, op, killed(what))
	return err
}

// quickly retries as often as the program does, without the pauses.
func quickly() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 10, 5*time.Millisecond, ratelimit.None
	})
}

// destroys reports whether an operation deletes the stack; takeDown deletes a running
// stack and keeps a snapshot.
func destroys(what string) bool { return what == "destroy" || what == takeDown }

const takeDown = "take down"

// failing creates a stack whose last resource fails after the protected database.
const failing = "failing"

// destroy runs until no obstacle remains.
func destroy(ctx context.Context, op *deploy.Operator, what string) error {
	gone := what == takeDown
	p, err := op.PlanDestroy(ctx, "events", deploy.DestroyOptions{LiftProtection: true, FinalSnapshot: gone, NoDrain: gone})
	if errors.Is(err, stack.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = op.Destroy(ctx, p)
	return err
}

// killed returns the change for "create" or "update".
func killed(what string) change {
	body, err := os.ReadFile("testdata/stack.yaml")
	if err != nil {
		panic(err) // the test's own file
	}
	r := change{Spec: stack.Spec{
		Stack: "events", Template: []byte(strings.ReplaceAll(string(body), "PROTECTED", "true")),
		Parameters: map[string]string{"Text": what, "DatabasePassword": password}, Tags: map[string]string{"Project": "events"}, Protected: true,
	}}
	if what == failing {
		r.Template = afterDatabase(r.Template)
	}
	if what == "update" {
		r = later(r)
	}
	return r
}

// TestKilledAnywhere kills a create, an update and a destroy at each of their calls, by
// each signal, and runs the same again: it completes, nothing is lost and nothing
// exists twice. In the second run, three of ten calls are throttled.
func TestKilledAnywhere(t *testing.T) {
	points := 0
	for _, what := range []string{"create", "update", "destroy", takeDown, failing} {
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM} {
			reached := true
			for call := 1; reached; call++ {
				name := fmt.Sprintf("%s %s at call %d", what, sig, call)
				if reached = killAt(t, name, what, sig, call); reached {
					points++
				}
				if t.Failed() {
					t.Fatalf("%s", name)
				}
			}
		}
	}
	t.Logf("%d points", points)
	if points < 180 {
		t.Errorf("only %d points", points)
	}
}

// killAt kills one operation at one of its calls, and finishes it. reached is false if
// the operation has fewer calls.
func killAt(t *testing.T, name, what string, sig syscall.Signal, call int) (reached bool) {
	t.Helper()
	var mu sync.Mutex
	var victim *os.Process
	calls := 0
	inARow := map[string]int{}
	var throttle atomic.Bool
	op, fake, _ := operator(t, awsfake.Options{
		Delay: func(string) time.Duration { return 8 * time.Millisecond },
		Before: func(c awsfake.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if victim != nil {
				if calls++; calls == call {
					reached = true
					if err := victim.Signal(sig); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			// Three of ten calls are throttled, but never all ten tries of one call: by
			// chance that would happen once in about ten runs of this test.
			if throttle.Load() && rand.IntN(10) < 3 && inARow[c.Operation] < 8 {
				inARow[c.Operation]++
				return awsfake.Throttled(c.Service)
			}
			inARow[c.Operation] = 0
			return nil
		},
	})
	if what == failing {
		fake.FailResource("Topic", "topic rejected")
	} else if what != "create" {
		r := killed("create")
		if what == takeDown {
			r = live(t, "one", "Delete", "Delete")
		}
		created := apply(t, op, r)
		for i := range 5 {
			if err := fake.Objects().Put(bucketOf(created.Stack), fmt.Sprintf("raw/%d", i), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+what, "AWS_ENDPOINT_URL="+fake.Endpoint,
		"AWS_ACCESS_KEY_ID="+fake.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+fake.Credentials.SecretAccessKey)
	mu.Lock()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	victim = cmd.Process
	mu.Unlock()
	_ = cmd.Wait() // the caller checks the result
	mu.Lock()
	victim = nil
	mu.Unlock()
	throttle.Store(true)
	own := *op
	own.Clients = deploy.NewClients(config(fake, quickly), true)
	op = &own
	finish(t, op, fake, name, what)
	if err := fake.Stop(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return reached
}

// bucketOf returns the bucket of either test stack.
func bucketOf(made stack.Stack) string {
	return made.Outputs["BucketName"] + made.Outputs["ArchiveBucket"]
}

// finish runs the operation again, and checks the result.
func finish(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, name, what string) {
	t.Helper()
	if destroys(what) {
		if err := destroy(t.Context(), op, what); err != nil {
			t.Errorf("%s: again: %v", name, err)
		}
		if buckets := fake.Objects().Buckets(); len(buckets) > 0 {
			t.Errorf("%s: buckets are left: %v", name, buckets)
		}
		if snapshots := fake.Snapshots(); what == takeDown && (len(snapshots) != 1 || snapshots[0].KMSKeyID != "alias/aws/rds") {
			t.Errorf("%s: snapshots %+v", name, snapshots)
		}
		return
	}
	outcome, err := run(t.Context(), op, killed(what))
	if failed := (*stack.FailedError)(nil); what == failing && errors.As(err, &failed) && (failed.Undone || failed.Status == "ROLLBACK_COMPLETE") {
		outcome, err = run(t.Context(), op, killed(what)) // this run saw the create fail
	}
	if what == failing {
		// A canceled create and one that failed leave a key each, scheduled for deletion.
		if keys, snapshots := fake.PendingKeys(), fake.Snapshots(); len(keys) > 2 || len(snapshots) > 0 || len(remaining(fake, "AWS::KMS::Key")) != 1 || len(remaining(fake, "AWS::RDS::DBInstance")) != 1 {
			t.Errorf("%s: keys %v, snapshots %v, %v", name, keys, snapshots, remaining(fake, ""))
		}
	}
	if err != nil {
		t.Errorf("%s: again: %v", name, err)
		return
	}
	made := outcome.Stack
	if made.Parameters["Text"] != what || !made.Status.HasReliableOutputs() {
		t.Errorf("%s: %+v", name, made)
	}
	if again, err := run(t.Context(), op, later(killed(what))); err != nil || again.Changed {
		t.Errorf("%s: another run: %+v, %v", name, again, err)
	}
	bucketName := bucketOf(made)
	if buckets := fake.Objects().Buckets(); len(buckets) != 1 || buckets[0] != bucketName {
		t.Errorf("%s: buckets %v", name, buckets)
	}
	if keys := fake.Objects().Keys(bucketName); what == "update" && len(keys) != 5 {
		t.Errorf("%s: objects %v", name, keys)
	}
	list, err := op.CloudFormation.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
	if err != nil || len(list.Stacks) != 1 {
		t.Errorf("%s: %v, %v", name, list, err)
	}
}
