package deploy_test

import (
	"strings"
	"testing"
	"time"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestBusyDatabase has RDS back up the database when a destroy begins: it waits while the
// API still accepts events, and only then changes anything.
func TestBusyDatabase(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	apply(t, op, live(t, "one", "Delete", "Delete"))
	p := plan(t, op, noDrain, finalSnapshot)
	fake.SetDatabaseStatus(p.Databases[0].ID, "backing-up", 150*time.Millisecond)
	if _, err := op.Destroy(t.Context(), p); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	waited, suspended := strings.Index(lines.String(), "database "+p.Databases[0].ID+": its status is backing-up"), strings.Index(lines.String(), "rate limit to 0")
	if waited < 0 || suspended < waited {
		t.Errorf("story: %s", lines)
	}
	for _, c := range fake.Calls() {
		if c.Code == "InvalidDBInstanceState" {
			t.Errorf("%s was rejected: %+v", c.Action, c)
		}
	}
	if len(fake.Snapshots()) != 1 {
		t.Errorf("snapshots %v", fake.Snapshots())
	}
}

// TestDatabaseBusyAgain begins a backup between the check and a call: the call is repeated.
func TestDatabaseBusyAgain(t *testing.T) {
	for _, action := range []string{"ModifyDBInstance", "CreateDBSnapshot"} {
		op, fake, lines := operator(t, awsfake.Options{})
		r := live(t, "one", "Delete", "Delete")
		r.Template = []byte(strings.Replace(string(r.Template), "Engine: postgres,", "Engine: postgres, DeletionProtection: true,", 1))
		apply(t, op, r)
		fake.FailCall("rds", action, 400, "InvalidDBInstanceState", "DB instance is not in available state.", 2)
		if _, err := op.Destroy(t.Context(), plan(t, op, noDrain, finalSnapshot, lift)); err != nil {
			t.Errorf("%s: %v\n%s", action, err, lines)
		}
		if !strings.Contains(lines.String(), "which another operation changes: DB instance is not in available state") {
			t.Errorf("%s: %s", action, lines)
		}
	}
}

// TestBusyAPI changes the API's security policy, which takes minutes, before an update and
// before a destroy.
func TestBusyAPI(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	api := apply(t, op, live(t, "one", "Delete", "Delete")).Stack.Outputs["ApiGatewayId"]
	for _, verb := range []string{"update", "destroy"} {
		lines.Reset()
		fake.SetAPIStatus(api, "UPDATING", 100*time.Millisecond)
		if verb == "update" {
			apply(t, op, live(t, "two", "Delete", "Delete"))
		} else if _, err := op.Destroy(t.Context(), plan(t, op, noDrain)); err != nil {
			t.Fatal(err)
		}
		if first := lines.String(); !strings.Contains(first, "API "+api+": its status is UPDATING") {
			t.Errorf("%s: %s", verb, first)
		}
	}
	for _, c := range fake.Calls() {
		if c.Code == "ConflictException" {
			t.Errorf("%s was rejected", c.Operation)
		}
	}
}

// TestBusyCalls rejects each mutating call of a deploy and a destroy twice with the error
// of a concurrent change: the call is repeated, and the wait is reported.
func TestBusyCalls(t *testing.T) {
	for action, fault := range map[string]struct {
		service string
		status  int
		code    string
	}{
		"UpdateStage":              {"apigateway", 409, "ConflictException"},
		"UpdateEventSourceMapping": {"lambda", 400, "ResourceInUseException"},
		"PutBucketPolicy":          {"s3", 409, "OperationAborted"},
		"PutBucketVersioning":      {"s3", 409, "OperationAborted"},
		"CreateBucket":             {"s3", 409, "OperationAborted"},
		"DeleteLogGroup":           {"logs", 400, "OperationAbortedException"},
	} {
		op, fake, lines := operator(t, awsfake.Options{})
		made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
		fake.FailCall(fault.service, action, fault.status, fault.code, "another operation is in progress", 2)
		if action == "PutBucketVersioning" || action == "CreateBucket" {
			if err := ensure(t.Context(), op, artifactBucket); err != nil {
				t.Errorf("%s: %v", action, err)
			}
		} else {
			fake.WriteLog("/aws/lambda/"+made.Outputs["ArchiverFunctionName"], "late")
			if _, err := op.Destroy(t.Context(), plan(t, op, noDrain)); err != nil {
				t.Errorf("%s: %v", action, err)
			}
		}
		if !strings.Contains(lines.String(), "which another operation changes: another operation is in progress") {
			t.Errorf("%s: %s", action, lines)
		}
	}
}

// TestBusyDelete has CloudFormation fail at a cache that is being modified: the stack is
// deleted again.
func TestBusyDelete(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	op.Poll = time.Millisecond
	apply(t, op, live(t, "one", "Delete", "Delete"))
	fake.FailDelete("Stream", "Replication group is not in available state. (Service: ElastiCache, Error Code: InvalidReplicationGroupState)")
	if _, err := op.Destroy(t.Context(), plan(t, op, noDrain)); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	if n := strings.Count(lines.String(), "Deleting stack"); n != 2 {
		t.Errorf("deleted %d times: %s", n, lines)
	}
}
