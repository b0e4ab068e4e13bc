package deploy_test

import (
	"errors"
	"flag"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

var update = flag.Bool("update", false, "rewrite golden files")

var (
	clocks = regexp.MustCompile(`at \d\d:\d\d:\d\d`)
	random = regexp.MustCompile(`events-(bucket|database)-[a-z0-9]+`)
	tokens = regexp.MustCompile(`streamctl-token-\d+`)
)

// staged is a staged failure.
type staged struct {
	name string
	// stage prepares the fake, run runs the failing operation.
	stage func(*testing.T, *awsfake.Fake, *deploy.Operator)
	run   func(*testing.T, *deploy.Operator) error
}

func creating(t *testing.T, op *deploy.Operator) error {
	_, err := run(t.Context(), op, request(t, "one", false))
	return err
}

func updating(t *testing.T, op *deploy.Operator) error {
	_, err := run(t.Context(), op, later(request(t, "two", false)))
	return err
}

func destroying(t *testing.T, op *deploy.Operator) error {
	p, err := op.PlanDestroy(t.Context(), "events", deploy.DestroyOptions{LiftProtection: true})
	if err == nil {
		_, err = op.Destroy(t.Context(), p)
	}
	return err
}

// fails makes resources fail, the first in the list as the cause.
func fails(reasons ...string) func(*testing.T, *awsfake.Fake, *deploy.Operator) {
	return func(_ *testing.T, f *awsfake.Fake, _ *deploy.Operator) {
		for i := 0; i < len(reasons); i += 2 {
			f.FailResource(reasons[i], reasons[i+1])
		}
	}
}

// made creates the stack first.
func made(then func(*testing.T, *awsfake.Fake, *deploy.Operator)) func(*testing.T, *awsfake.Fake, *deploy.Operator) {
	return func(t *testing.T, f *awsfake.Fake, op *deploy.Operator) {
		apply(t, op, request(t, "one", false))
		then(t, f, op)
	}
}

func failures() []staged {
	deletes := func(id, reason string) func(*testing.T, *awsfake.Fake, *deploy.Operator) {
		return made(func(_ *testing.T, f *awsfake.Fake, _ *deploy.Operator) { f.FailDelete(id, reason) })
	}
	return []staged{
		{"database class", fails("Database", `Resource handler returned message: "RDS does not support creating a DB instance with the following combination: DBInstanceClass=db.t3.medium, Engine=postgres, EngineVersion=17 (Service: Rds, Status Code: 400)"`), creating},
		{"no capacity", fails("Database", "InsufficientDBInstanceCapacity: db.r6g.large is not available in us-east-1a"), creating},
		{"quota of instances", fails("Database", "InstanceQuotaExceeded: DB instance quota of 40 reached"), creating},
		{"no permission", fails("Key", "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: kms:CreateKey on resource: *"), creating},
		{"no permission for tags", fails("Topic", "Encountered a permissions error performing a tagging operation, please add required tag permissions"), creating},
		{"name taken", fails("Topic", "events-topic already exists"), creating},
		{"canceled ones don't count", fails("Bucket", "The requested bucket name is not available: BucketAlreadyExists"), creating},
		{"service trouble", fails("Topic", `Resource handler returned message: "Internal Failure (Service: Sns, Status Code: 500)"`), creating},
		{"update", made(fails("Topic", "Invalid parameter: DisplayName must contain printable characters")), updating},
		{"update denied by policy", made(fails("Topic", "Action denied by stack policy: Statement [#2] does not allow [Update:Replace] for resource [LogicalResourceId/Topic]")), updating},
		{"delete, interfaces in use", deletes("Topic", "CloudFormation is waiting for NetworkInterfaces associated with the Lambda Function to be cleaned up."), destroying},
		{"delete, something depends on it", deletes("Bucket", "resource sg-0123 has a dependent object (Service: AmazonEC2; Status Code: 400; Error Code: DependencyViolation)"), destroying},
		{"change set", made(func(*testing.T, *awsfake.Fake, *deploy.Operator) {}), func(t *testing.T, op *deploy.Operator) error {
			r := later(request(t, "two", false))
			r.Template = []byte(strings.ReplaceAll(string(r.Template), "!Ref Text", "!Ref Missing"))
			_, err := run(t.Context(), op, r)
			return err
		}},
		{"wrong parameter", func(*testing.T, *awsfake.Fake, *deploy.Operator) {}, func(t *testing.T, op *deploy.Operator) error {
			r := request(t, "one", false)
			r.Parameters["DatabasePassword"] = "short"
			_, err := run(t.Context(), op, r)
			return err
		}},
		{"throttled to the end", func(_ *testing.T, f *awsfake.Fake, _ *deploy.Operator) {
			f.Throttle("cloudformation", "CreateStack", 100)
		}, creating},
	}
}

// TestWhyItFailed compares the report of staged failures with the golden file: the
// first cause first, with its hint.
func TestWhyItFailed(t *testing.T) {
	var b strings.Builder
	for _, f := range failures() {
		op, fake, _ := operator(t, awsfake.Options{Delay: func(kind string) time.Duration {
			return map[string]time.Duration{"AWS::RDS::DBInstance": 30 * time.Millisecond}[kind] // so that it is canceled
		}})
		own := *op
		own.Clients = deploy.NewClients(config(fake, quickly), true)
		f.stage(t, fake, &own)
		err := f.run(t, &own)
		if err == nil {
			t.Errorf("%s: it didn't fail", f.name)
			continue
		}
		b.WriteString("== " + f.name + "\n" + err.Error() + "\n")
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			b.WriteString("hint: " + hinted.Hint() + "\n")
		} else {
			b.WriteString("hint: " + stack.HintFor(err.Error()) + "\n")
		}
	}
	got := clocks.ReplaceAllString(b.String(), "at 12:00:00")
	got = tokens.ReplaceAllString(random.ReplaceAllString(got, "events-$1-x"), "streamctl-x")
	got = regexp.MustCompile(`RequestID: [0-9a-f-]+`).ReplaceAllString(got, "RequestID: x")
	const path = "testdata/failures.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
