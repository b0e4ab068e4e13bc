package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

const password = "YourSecurePassword123!"

// operator works on a fake of AWS that ends with the test. Reports are written to
// lines.
func operator(t *testing.T, o awsfake.Options) (op *deploy.Operator, fake *awsfake.Fake, lines *strings.Builder) {
	t.Helper()
	fake = faketest.Start(t, o)
	cfg := config(fake, nil)
	lines = &strings.Builder{}
	var tokens atomic.Int64
	op = &deploy.Operator{
		Clients: deploy.NewClients(cfg, true),
		Layout:  layout(),
		Report:  func(e stack.Event) { fmt.Fprintln(lines, e.Text, e.Status, e.LogicalID, e.Reason) },
		Poll:    5 * time.Millisecond,
		Token:   func() string { return fmt.Sprintf("token-%d", tokens.Add(1)) },
	}
	caller, err := deploy.Identify(t.Context(), op.STS, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	op.Caller = caller
	return op, fake, lines
}

// layout is the layout of the stacks in testdata.
func layout() deploy.Layout {
	return deploy.Layout{
		StatefulTypes: []string{"AWS::Kinesis::Stream", "AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup", "AWS::S3::Bucket", "AWS::KMS::Key"},
		Outputs: pipeline.Outputs{API: "ApiGatewayId", StageURL: "ApiGatewayUrl", Stream: "StreamName", Archive: "ArchiveBucket",
			Consumers: map[string]string{"ProcessorMapping": "ProcessorFunctionName", "ArchiverMapping": "ArchiverFunctionName"}},
	}
}

// config connects to the fake.
func config(fake *awsfake.Fake, retryer func() aws.Retryer) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &fake.Endpoint, Retryer: retryer, RetryMaxAttempts: 10, // as the program does
		Credentials: credentials.NewStaticCredentialsProvider(fake.Credentials.AccessKeyID, fake.Credentials.SecretAccessKey, ""),
	}
}

// artifactBucket receives large templates.
const artifactBucket = "streamctl-artifacts-123456789012-us-east-1"

// change is the desired state of a stack, with the user's decisions.
type change struct {
	stack.Spec
	Wait, ContinueRollback bool
	Skip                   []string
	Approve                func([]stack.Change) error
	Agree                  func(remains, question string) error
}

// run deploys a change.
func run(ctx context.Context, op *deploy.Operator, c change) (deploy.Outcome, error) {
	d := deploy.Decisions{}
	if c.Approve != nil {
		d.Approve = func(_ context.Context, changes []stack.Change) error { return c.Approve(changes) }
	}
	if c.Agree != nil {
		d.ConfirmRecreate = func(_ context.Context, remains, question string) error { return c.Agree(remains, question) }
	}
	if c.Agree != nil {
		d.ConfirmUndo = func(_ context.Context, name, remains string) error { return c.Agree(remains, name) }
	}
	return op.Run(ctx, c.specification(), d)
}

// request returns a change for the stack in testdata.
func request(t *testing.T, text string, protected bool) change {
	t.Helper()
	body, err := os.ReadFile("testdata/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return change{Spec: stack.Spec{
		Stack: "events", Template: bytes.ReplaceAll(body, []byte("PROTECTED"), fmt.Append(nil, protected)),
		Parameters: map[string]string{"Text": text, "DatabasePassword": password},
		Tags:       map[string]string{"Project": "events"}, Protected: protected,
	}}
}

// later returns the same change for a stack that has its password.
func later(r change) change {
	parameters := map[string]string{"Text": r.Parameters["Text"]}
	r.Parameters, r.Previous = parameters, []string{"DatabasePassword"}
	return r
}

func apply(t *testing.T, op *deploy.Operator, r change) deploy.Outcome {
	t.Helper()
	outcome, err := run(t.Context(), op, r)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func TestCreateUpdateAndNothing(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	first := apply(t, op, request(t, "one", false))
	if !first.Created || first.Stack.Status != "CREATE_COMPLETE" || first.Stack.Outputs["BucketName"] == "" {
		t.Errorf("create: %+v", first)
	}
	if got := first.Stack.Parameters["DatabasePassword"]; got != "****" {
		t.Errorf("the password is %q", got)
	}
	again := apply(t, op, later(request(t, "one", false)))
	if again.Changed || again.Created {
		t.Errorf("no change: %+v", again)
	}
	sets, err := op.CloudFormation.ListChangeSets(t.Context(), &cloudformation.ListChangeSetsInput{StackName: aws.String("events")})
	if err != nil || len(sets.Summaries) != 0 {
		t.Errorf("change sets left: %v, %v", sets.Summaries, err)
	}
	next := later(request(t, "two", false))
	var asked []stack.Change
	next.Approve = func(c []stack.Change) error { asked = c; return nil }
	second := apply(t, op, next)
	if !second.Changed || second.Stack.Status != "UPDATE_COMPLETE" || len(asked) != 1 || asked[0].LogicalID != "Topic" {
		t.Errorf("update: %+v, asked about %v", second, asked)
	}
	protected := apply(t, op, later(request(t, "two", false)))
	if protected.Changed {
		t.Errorf("after the update: %+v", protected)
	}
	_ = fake
}

func TestProtectionAlone(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	r := later(request(t, "one", false))
	r.Protected = true
	if outcome := apply(t, op, r); !outcome.Changed {
		t.Errorf("turning protection on is a change: %+v", outcome)
	}
	made, err := op.Describe(t.Context(), "events")
	if err != nil || !made.Protected {
		t.Errorf("got %+v, %v", made, err)
	}
}

func TestDecliningAnUpdateLeavesNothing(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	r := later(request(t, "two", false))
	no := errors.New("no")
	r.Approve = func([]stack.Change) error { return no }
	if _, err := run(t.Context(), op, r); !errors.Is(err, no) {
		t.Fatalf("got %v", err)
	}
	sets, err := op.CloudFormation.ListChangeSets(t.Context(), &cloudformation.ListChangeSetsInput{StackName: aws.String("events")})
	if err != nil || len(sets.Summaries) != 0 {
		t.Errorf("change sets left: %v, %v", sets.Summaries, err)
	}
	if again := apply(t, op, later(request(t, "one", false))); again.Changed {
		t.Errorf("the declined update changed something: %+v", again)
	}
}

// TestCreateFails makes a resource fail: the error lists it, not the resources that
// were canceled because of it, and the next deploy starts over.
func TestCreateFails(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	fake.FailResource("Database", "DB instance class not supported")
	_, err := run(t.Context(), op, request(t, "one", false))
	var failed *stack.FailedError
	if !errors.As(err, &failed) || failed.Status != "ROLLBACK_COMPLETE" {
		t.Fatalf("got %v", err)
	}
	if len(failed.Causes) != 1 || failed.Causes[0].LogicalID != "Database" || !strings.Contains(err.Error(), "DB instance class not supported") {
		t.Errorf("causes: %v", failed.Causes)
	}
	if strings.Contains(lines.String(), password) || strings.Contains(err.Error(), password) {
		t.Error("the password was printed")
	}
	if outcome := apply(t, op, request(t, "one", false)); !outcome.Created {
		t.Errorf("the next deploy: %+v", outcome)
	}
}

func TestUpdateFailsAndRollsBack(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	fake.FailResource("Topic", "topic refused")
	_, err := run(t.Context(), op, later(request(t, "two", false)))
	var failed *stack.FailedError
	if !errors.As(err, &failed) || failed.Status != "UPDATE_ROLLBACK_COMPLETE" || len(failed.Causes) == 0 || failed.Causes[0].LogicalID != "Topic" {
		t.Fatalf("got %v", err)
	}
	if outcome := apply(t, op, later(request(t, "two", false))); outcome.Stack.Status != "UPDATE_COMPLETE" {
		t.Errorf("the next deploy: %+v", outcome)
	}
}

// TestReplacingDataIsRefused makes changes that would replace the database or remove
// the bucket.
func TestReplacingDataIsRefused(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	r := later(request(t, "one", false))
	r.Template = bytes.ReplaceAll(r.Template, []byte("MasterUsername: analytics_admin"), []byte("MasterUsername: somebody"))
	_, err := run(t.Context(), op, r)
	var replace *stack.ReplaceError
	if !errors.As(err, &replace) || len(replace.Changes) != 1 || replace.Changes[0].LogicalID != "Database" || !strings.Contains(replace.Hint(), "--allow-replace Database") {
		t.Fatalf("got %v", err)
	}
	if made, err := op.Describe(t.Context(), "events"); err != nil || made.Status != "CREATE_COMPLETE" {
		t.Errorf("after the refusal: %v, %v", made.Status, err)
	}
	r.AllowReplace = []string{"Database"}
	if outcome := apply(t, op, r); !outcome.Changed {
		t.Errorf("allowed: %+v", outcome)
	}
}

// TestPolicyKeepsData has another program try to replace the database: the stack policy
// denies it. With permission the same update succeeds, and the policy is in force
// afterwards.
func TestPolicyKeepsData(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	policy, err := stack.ProtectivePolicy([]string{"Bucket", "Database"})
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, "one", false)
	r.Policy = policy
	apply(t, op, r)
	r = later(r)
	r.Template = bytes.ReplaceAll(r.Template, []byte("MasterUsername: analytics_admin"), []byte("MasterUsername: somebody"))
	byHand := func() stack.Status {
		t.Helper()
		body := string(r.Template)
		_, err := op.CloudFormation.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{StackName: aws.String("events"), TemplateBody: &body,
			Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}, Parameters: []types.Parameter{
				{ParameterKey: aws.String("Text"), ParameterValue: aws.String("one")}, {ParameterKey: aws.String("DatabasePassword"), UsePreviousValue: aws.Bool(true)},
			}})
		if err != nil {
			t.Fatal(err)
		}
		made, err := op.Follow(t.Context(), "events")
		if err != nil && !strings.Contains(err.Error(), "Action denied by stack policy") {
			t.Errorf("by hand: %v", err)
		}
		return made.Status
	}
	if status := byHand(); status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("by hand: %s", status)
	}
	r.AllowReplace = []string{"Database"}
	if outcome := apply(t, op, r); outcome.Stack.Status != "UPDATE_COMPLETE" {
		t.Errorf("with leave: %+v", outcome)
	}
	r.Template = bytes.ReplaceAll(r.Template, []byte("MasterUsername: somebody"), []byte("MasterUsername: another"))
	if status := byHand(); status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("by hand after it: %s", status)
	}
}

func TestBusy(t *testing.T) {
	release := make(chan struct{})
	var slow atomic.Bool
	op, _, _ := operator(t, awsfake.Options{Delay: func(string) time.Duration {
		if slow.Load() {
			<-release
		}
		return 0
	}})
	slow.Store(true)
	done := make(chan error, 1)
	go func() {
		_, err := run(t.Context(), op, request(t, "one", false))
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if made, err := op.Describe(ctx, "events"); err == nil && made.Status.Busy() {
			break
		} else if ctx.Err() != nil {
			t.Fatal("the create never began")
		}
	}
	_, err := run(t.Context(), op, later(request(t, "two", false)))
	var busy *stack.BusyError
	if !errors.As(err, &busy) || busy.Status != "CREATE_IN_PROGRESS" || busy.Since.IsZero() {
		t.Errorf("second deploy: %v", err)
	}
	slow.Store(false)
	close(release)
	if err := <-done; err != nil {
		t.Errorf("first deploy: %v", err)
	}
}

// TestLargeTemplate passes the template through S3.
func TestLargeTemplate(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	r := request(t, "one", false)
	r.Template = append(r.Template, []byte("# "+strings.Repeat("x", 52_000)+"\n")...)
	if outcome := apply(t, op, r); !outcome.Created {
		t.Errorf("got %+v", outcome)
	}
	if keys := fake.Objects().Keys(artifactBucket); len(keys) != 1 || !strings.HasPrefix(keys[0], "templates/") {
		t.Errorf("in the bucket: %v", keys)
	}
}

func TestWrongPassword(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	r := request(t, "one", false)
	r.Parameters["DatabasePassword"] = "short"
	_, err := run(t.Context(), op, r)
	if err == nil || !strings.Contains(err.Error(), "at least eight characters") {
		t.Errorf("got %v", err)
	}
}

// TestInterrupted ends the program while a stack is being created. The operation
// continues, and the same command run again follows it.
func TestInterrupted(t *testing.T) {
	release := make(chan struct{})
	op, _, _ := operator(t, awsfake.Options{Delay: func(kind string) time.Duration {
		if kind == "AWS::SNS::Topic" {
			<-release
		}
		return 0
	}})
	ctx, cancel := context.WithCancel(t.Context())
	first := begin(ctx, op, request(t, "one", false))
	busy(t, op)
	cancel()
	var left *stack.LeftRunningError
	if r := <-first; !errors.As(r.err, &left) || !errors.Is(r.err, context.Canceled) || !strings.Contains(left.Hint(), "status --follow --stack-name events") {
		t.Errorf("interrupted: %v", r.err)
	}
	var other *stack.BusyError
	if _, err := run(t.Context(), op, request(t, "two", false)); !errors.As(err, &other) {
		t.Errorf("another deploy meanwhile: %v", err)
	}
	waiting := later(request(t, "two", false))
	waiting.Wait = true
	attached := make(chan struct{})
	second, again := begin(t.Context(), op, waiting), beginTold(t.Context(), op, later(request(t, "one", false)), func(e stack.Event) {
		if strings.HasPrefix(e.Text, "Following the create of stack events, which began at ") {
			close(attached)
		}
	})
	select {
	case <-attached:
	case <-time.After(20 * time.Second):
		t.Fatal("the same deploy doesn't follow")
	}
	close(release)
	if r := <-again; r.err != nil || !r.outcome.Created {
		t.Errorf("the same deploy again: %+v, %v", r.outcome, r.err)
	}
	if r := <-second; r.err != nil || r.outcome.Stack.Status != "UPDATE_COMPLETE" {
		t.Errorf("the waiting deploy: %+v, %v", r.outcome, r.err)
	}
}

type result struct {
	outcome deploy.Outcome
	err     error
}

// begin deploys in the background.
func begin(ctx context.Context, op *deploy.Operator, r change) <-chan result {
	return beginTold(ctx, op, r, func(stack.Event) {})
}

func beginTold(ctx context.Context, op *deploy.Operator, r change, report func(stack.Event)) <-chan result {
	done := make(chan result, 1)
	own := *op
	own.Report = report // called by one goroutine at a time
	go func() {
		outcome, err := run(ctx, &own, r)
		done <- result{outcome, err}
	}()
	return done
}

// busy waits until an operation runs on the stack.
func busy(t *testing.T, op *deploy.Operator) {
	t.Helper()
	for {
		if made, err := op.Describe(t.Context(), "events"); err == nil && made.Status.Busy() {
			return
		} else if t.Context().Err() != nil {
			t.Fatal("no operation began")
		}
	}
}

// TestCancelled interrupts a create and an update and cancels them: the first is
// deleted, the second rolled back. A second interrupt leaves it running.
func TestCancelled(t *testing.T) {
	var slow atomic.Int64 // milliseconds
	op, _, _ := operator(t, awsfake.Options{Delay: func(kind string) time.Duration {
		if kind == "AWS::SNS::Topic" {
			return time.Duration(slow.Load()) * time.Millisecond
		}
		return 0
	}})
	var asked []string
	op.Interrupted = func(ctx context.Context, what string) (bool, context.Context) {
		asked = append(asked, what)
		return true, ctx
	}
	interrupt := func(r change) result {
		slow.Store(3000)
		defer slow.Store(0)
		ctx, cancel := context.WithCancel(t.Context())
		done := begin(ctx, op, r)
		busy(t, op)
		cancel()
		return <-done
	}
	var cancelled *stack.CanceledError
	if r := interrupt(request(t, "one", true)); !errors.As(r.err, &cancelled) || cancelled.Status != "DELETE_COMPLETE" {
		t.Errorf("create: %v", r.err)
	}
	if _, err := op.Describe(t.Context(), "events"); !errors.Is(err, stack.ErrNotFound) {
		t.Errorf("after the create: %v", err)
	}
	apply(t, op, request(t, "one", false))
	if r := interrupt(later(request(t, "two", false))); !errors.As(r.err, &cancelled) || cancelled.Status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("update: %v", r.err)
	}
	if got := strings.Join(asked, " "); got != "create update" {
		t.Errorf("asked about %q", got)
	}
	op.Interrupted = func(ctx context.Context, _ string) (bool, context.Context) { return false, ctx }
	three := later(request(t, "three", false))
	three.Policy = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}` // read after the update
	if r := interrupt(three); r.err != nil || r.outcome.Stack.Status != "UPDATE_COMPLETE" {
		t.Errorf("interrupted, then continued: %v, %v", r.outcome.Stack.Status, r.err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	op.Interrupted = func(context.Context, string) (bool, context.Context) { return false, over }
	var left *stack.LeftRunningError
	if r := interrupt(later(request(t, "two", false))); !errors.As(r.err, &left) {
		t.Errorf("interrupted twice: %v", r.err)
	}
	if made, err := op.Follow(t.Context(), "events"); err != nil || made.Status != "UPDATE_COMPLETE" {
		t.Errorf("followed: %v, %v", made.Status, err)
	}
}

// TestOrphans drops a bucket that isn't empty: the update succeeds, and the remaining
// bucket is reported.
func TestOrphans(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", false))
	if err := fake.Objects().Put(created.Stack.Outputs["BucketName"], "raw/event", []byte("x")); err != nil {
		t.Fatal(err)
	}
	r := later(request(t, "one", false))
	from, to := bytes.Index(r.Template, []byte("  Bucket:")), bytes.Index(r.Template, []byte("  Topic:"))
	r.Template = append(append([]byte{}, r.Template[:from]...), r.Template[to:]...)
	r.Template = bytes.Replace(r.Template, []byte("!Ref Bucket"), []byte("!Ref Topic"), 1)
	r.AllowReplace = []string{"Bucket"}
	outcome := apply(t, op, r)
	if !outcome.Changed || len(outcome.Orphans) != 1 || outcome.Orphans[0].LogicalID != "Bucket" || !strings.Contains(outcome.Orphans[0].Reason, "not empty") {
		t.Errorf("got %+v", outcome)
	}
}
