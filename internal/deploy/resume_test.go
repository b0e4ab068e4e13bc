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

// stopAt destroys until a step whose text has a prefix, and interrupts there.
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

// patch changes the stage, like an operator with the AWS CLI.
func patch(t *testing.T, op *deploy.Operator, made stack.Stack, path, value string) {
	t.Helper()
	_, err := op.APIGateway.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod"),
		PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: &path, Value: &value}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKeepingIsRemembered interrupts a destroy that keeps the archive. The next destroy
// keeps it too, so that the archive is not emptied by mistake.
func TestKeepingIsRemembered(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	name := apply(t, op, live(t, "one", "Delete", "Delete")).Stack.Outputs["ArchiveBucket"]
	if err := fake.Objects().Put(name, "raw/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	p := plan(t, op, retainArchive, noDrain)
	if p.RetainRequested {
		t.Error("it keeps the archive without --retain-archive")
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

// TestStoppedReader disables an event source mapping for a while. Its records would be
// lost, so a destroy that keeps a snapshot stops there. A destroy that disabled the
// mapping itself, after the stream's end, continues.
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
	apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate")) // enables it
	stopAt(t, op, plan(t, op, lift), "Denying writes")
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Errorf("after the stream's end: %v", err)
	}
}

// TestDeletedAlready can't take the requested final snapshot, because the database is
// gone, and reports that.
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

// TestOpenedByHand restores the API's limits by hand after an interrupted destroy. The
// next destroy sets its own throttle, and a deploy keeps the limits that it finds.
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

// TestProtectionComesBack reverts a destroy that had lifted the protection.
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

// TestLockedArchive is rejected before anything is suspended.
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
