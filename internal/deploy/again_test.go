package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// stopAt destroys until a step that begins with a text, as an interrupt there does.
func stopAt(t *testing.T, op *deploy.Operator, p deploy.Plan, step string) {
	t.Helper()
	own := *op
	ctx, cancel := context.WithCancel(t.Context())
	own.Report = func(e stack.Event) {
		if strings.HasPrefix(e.Text, step) {
			cancel()
		}
	}
	if _, err := own.Destroy(ctx, p); err == nil || ctx.Err() == nil {
		t.Fatalf("it wasn't interrupted at %q: %v", step, err)
	}
}

// patch changes the stage as somebody does by hand.
func patch(t *testing.T, op *deploy.Operator, made stack.Stack, path, value string) {
	t.Helper()
	_, err := op.APIGateway.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod"),
		PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: &path, Value: &value}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKeepingIsRemembered has a destroy that keeps the archive fail half way. The
// next one knows, so that nobody empties by mistake what was to stay.
func TestKeepingIsRemembered(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	name := apply(t, op, live(t, "one", "Delete", "Delete")).Stack.Outputs["ArchiveBucket"]
	if err := fake.Objects().Put(name, "raw/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	p := plan(t, op, retainArchive, noDrain)
	if p.RetainRequested {
		t.Error("it keeps although nobody said so")
	}
	fake.FailDelete("Topic", "topic is in use")
	if _, err := op.Destroy(t.Context(), p); err == nil {
		t.Fatal("it didn't fail")
	}
	again := plan(t, op, noDrain)
	if !again.RetainRequested {
		t.Fatal("it is forgotten that the archive stays")
	}
	if _, err := op.Destroy(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if keys := fake.Objects().Keys(name); len(keys) != 1 {
		t.Errorf("objects %v", keys)
	}
}

// TestStoppedReader has somebody stop a reader for a while: what is in the stream
// would be lost, so a destroy that keeps a snapshot doesn't go on by itself. One
// that stopped it after the stream's end does.
func TestStoppedReader(t *testing.T) {
	op, _, _, _, _ := drainTest(t)
	var id string
	for _, r := range plan(t, op).Resources {
		if r.LogicalID == "ProcessorMapping" {
			id = r.PhysicalID
		}
	}
	if _, err := op.Lambda.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	var drain *pipeline.DrainError
	if _, err := op.Destroy(t.Context(), plan(t, op)); !errors.As(err, &drain) || !strings.Contains(err.Error(), "ProcessorMapping is disabled") {
		t.Fatalf("got %v", err)
	}
	apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate")) // starts it
	stopAt(t, op, plan(t, op, lift), "Denying writes")
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Errorf("after the stream's end: %v", err)
	}
}

// TestDeletedAlready can't take the final snapshot that is asked for, and says so.
func TestDeletedAlready(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, live(t, "one", "Delete", "Delete"))
	if err := fake.SetStackStatus("events", "DELETE_IN_PROGRESS"); err != nil {
		t.Fatal(err)
	}
	p := plan(t, op, finalSnapshot)
	var state *stack.StateError
	if _, err := op.Destroy(t.Context(), p); !errors.As(err, &state) || !strings.Contains(state.Hint(), "aws rds create-db-snapshot") {
		t.Errorf("got %v", err)
	}
}

// TestOpenedByHand has somebody open the API again after a destroy that didn't
// end. The next destroy counts from its own throttle, and a deploy leaves the
// limits that it finds.
func TestOpenedByHand(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
	began := time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)
	op.Now = func() time.Time { return began }
	stopAt(t, op, plan(t, op, lift), "Disabling ")
	patch(t, op, made, "/*/*/throttling/rateLimit", "500")
	patch(t, op, made, "/*/*/throttling/burstLimit", "900")
	began = began.Add(14 * 24 * time.Hour)
	stopAt(t, op, plan(t, op, lift), "Disabling ")
	stage, err := op.APIGateway.GetStage(t.Context(), &apigateway.GetStageInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod")})
	if err != nil || stage.Variables["streamctlBeforeDestroy"] != "500:900:1794722400" {
		t.Fatalf("variables %v, %v", stage.Variables, err)
	}
	patch(t, op, made, "/*/*/throttling/rateLimit", "700")
	patch(t, op, made, "/*/*/throttling/burstLimit", "900")
	if _, _, halted := works(t, op, made); strings.Contains(strings.Join(halted, ""), "accepts no events") {
		t.Errorf("told: %v", halted)
	}
	apply(t, op, live(t, "one", "Delete", "Delete"))
	if rate, _, halted := works(t, op, made); rate != 700 || len(halted) > 0 {
		t.Errorf("rate %v, %v", rate, halted)
	}
}

// TestProtectionComesBack when a deploy undoes a destroy that had lifted it.
func TestProtectionComesBack(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	r := live(t, "one", "Delete", "Delete")
	r.Template = bytes.ReplaceAll(r.Template, []byte("Engine: postgres,"), []byte("Engine: postgres, DeletionProtection: true,"))
	apply(t, op, r)
	protected := func() bool {
		t.Helper()
		out, err := op.RDS.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
		if err != nil || len(out.DBInstances) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		return aws.ToBool(out.DBInstances[0].DeletionProtection)
	}
	stopAt(t, op, plan(t, op, lift), "Disabling ")
	if !protected() {
		t.Error("lifted before it is needed")
	}
	stopAt(t, op, plan(t, op, lift), "Denying writes")
	if protected() {
		t.Error("it isn't lifted")
	}
	apply(t, op, r)
	if !protected() {
		t.Error("it isn't protected again")
	}
}

// TestLockedArchive is refused before anything is stopped.
func TestLockedArchive(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	r := live(t, "one", "Delete", "Delete")
	r.Template = bytes.ReplaceAll(r.Template, []byte("VersioningConfiguration:"), []byte("ObjectLockEnabled: true, VersioningConfiguration:"))
	made := apply(t, op, r).Stack
	if err := fake.Objects().Put(made.Outputs["ArchiveBucket"], "raw/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	var locked *deploy.LockedError
	if _, err := op.Destroy(t.Context(), plan(t, op)); !errors.As(err, &locked) || !strings.Contains(locked.Hint(), "--retain-archive") {
		t.Errorf("got %v", err)
	}
	if _, _, halted := works(t, op, made); len(halted) > 0 {
		t.Errorf("stopped: %v", halted)
	}
	p := plan(t, op, retainArchive, noDrain)
	if _, err := op.Destroy(t.Context(), p); err != nil {
		t.Error(err)
	}
}
