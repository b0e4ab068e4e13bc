package deploy_test

import (
	"errors"
	"fmt"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestNetworkInterfaces has Lambda's network interfaces use the functions' group and
// subnet: the wait is explained, and the delete repeated once they are gone.
func TestNetworkInterfaces(t *testing.T) {
	op, _, lines := operator(t, awsfake.Options{InterfacesLinger: 2 * time.Second})
	op.Poll = time.Millisecond
	apply(t, op, live(t, "one", "Delete", "Delete"))
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	story := lines.String()
	if !strings.Contains(story, "1 network interfaces in ") || !strings.Contains(story, "(Group)") || !strings.Contains(story, "(Subnet)") || strings.Count(story, "Deleting stack") != 2 {
		t.Errorf("story: %s", story)
	}
}

// TestForeignInterface has another server in the functions' group. It would never be
// deleted, so it is reported immediately.
func TestForeignInterface(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
	fake.AttachInterface(awsfake.Interface{ID: "eni-0bastion", Subnet: "subnet-other", Groups: []string{made.Outputs["Group"]}, Type: "interface", Description: "bastion"})
	var failed *stack.FailedError
	_, err := op.Destroy(t.Context(), plan(t, op))
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "| used by network interface eni-0bastion (interface): bastion") {
		t.Fatalf("got %v", err)
	}
	fake.DetachInterface("eni-0bastion")
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestInterfacesThatStay gives up after an hour and lists them. If they can't be
// listed, it repeats the delete until then.
func TestInterfacesThatStay(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{InterfacesLinger: time.Hour})
	op.Poll = time.Millisecond
	apply(t, op, live(t, "one", "Delete", "Delete"))
	var minutes atomic.Int64
	op.Now = func() time.Time { return time.Unix(0, 0).Add(time.Duration(minutes.Add(9)) * time.Minute) }
	_, err := op.Destroy(t.Context(), plan(t, op))
	if err == nil || !strings.Contains(err.Error(), "AWS Lambda VPC ENI-") {
		t.Fatalf("an hour later: %v\n%s", err, lines)
	}
	fake.FailCall("ec2", "DescribeNetworkInterfaces", 403, "UnauthorizedOperation", "You are not authorized to perform this operation.", 1000)
	lines.Reset()
	_, err = op.Destroy(t.Context(), plan(t, op))
	if story := lines.String(); err == nil || !strings.Contains(story, "network interfaces that can't be listed") || !strings.Contains(story, "UnauthorizedOperation") || strings.Count(story, "Deleting stack") < 4 {
		t.Errorf("unseen: %v\n%s", err, story)
	}
}

// TestFilledMeanwhile writes to the bucket despite the denial, just before
// CloudFormation deletes it.
func TestFilledMeanwhile(t *testing.T) {
	var fake *awsfake.Fake
	var name atomic.Value
	left := atomic.Int64{}
	left.Store(2)
	op, fake, lines := operator(t, awsfake.Options{Before: func(c awsfake.Call) error {
		if name, ok := name.Load().(string); ok && c.Operation == "DeleteStack" && left.Add(-1) >= 0 {
			return fake.Objects().Put(name, "aws/lambda/late", []byte("x"))
		}
		return nil
	}})
	name.Store(apply(t, op, live(t, "one", "Delete", "Delete")).Stack.Outputs["ArchiveBucket"])
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	if n := strings.Count(lines.String(), "Denying writes"); n != 2 {
		t.Errorf("denied %d times, want 2: the policy is deleted before the bucket, a renewed denial stays\n%s", n, lines)
	}
}

// TestWriterIsDenied keeps writing while the bucket is emptied: after the denial, no
// write succeeds.
func TestWriterIsDenied(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	name := apply(t, op, live(t, "one", "Delete", "Delete")).Stack.Outputs["ArchiveBucket"]
	fill(t, op, fake, name, 3000, 10)
	ended, stop := make(chan error, 1), make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			_, err := op.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: aws.String(fmt.Sprintf("raw/new/%d", n)), Body: strings.NewReader("x")})
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	_, err := op.Destroy(t.Context(), plan(t, op))
	close(stop)
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the writer: %v", err)
	}
	if strings.Count(lines.String(), "Deleting stack") != 1 {
		t.Errorf("story: %s", lines)
	}
}

// TestSweepAfterAnInterruption deletes log groups that were recreated, including those
// of resources that an earlier attempt had deleted.
func TestSweepAfterAnInterruption(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	r := live(t, "one", "Delete", "Delete")
	made := apply(t, op, r).Stack
	fake.FailDelete("Topic", "topic is in use")
	if _, err := op.Destroy(t.Context(), plan(t, op)); err == nil {
		t.Fatal("it didn't fail")
	}
	for _, name := range []string{"/aws/lambda/events-processor", "/aws/lambda/" + made.Outputs["ArchiverFunctionName"], "/aws/lambda/events-processor-of-others", "API-Gateway-Execution-Logs_" + made.Outputs["ApiGatewayId"] + "/prod"} {
		fake.WriteLog(name, "late")
	}
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, e := range fake.Existing() {
		if e.Type == "AWS::Logs::LogGroup" {
			groups = append(groups, e.PhysicalID)
		}
	}
	if !slices.Equal(groups, []string{"/aws/lambda/events-processor-of-others"}) {
		t.Errorf("log groups left: %v", groups)
	}
}

// TestSweepCode deletes the functions' code with the last stack that uses it: not while
// another stack uses it, and not code that a deploy has just uploaded.
func TestSweepCode(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	const name = "streamctl-artifacts-123456789012-us-east-1"
	if err := ensure(t.Context(), op, name); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"functions/ingest/11111111111111111111111111111111.zip", "functions/ingest/22222222222222222222222222222222.zip", "mine/notes.txt", "functions/theirs/handler.zip"} {
		if err := fake.Objects().Put(name, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	destroyed := func() stack.Leftover {
		t.Helper()
		left, err := op.Destroy(t.Context(), plan(t, op, lift, func(o *deploy.DestroyOptions) { o.ArtifactBucket = name }))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(left, func(l stack.Leftover) bool { return l.PhysicalID == name })
		if i < 0 {
			t.Fatalf("the bucket isn't among %+v", left)
		}
		return left[i]
	}
	other := request(t, "functions/ingest/11111111111111111111111111111111.zip", false)
	other.Stack = "other"
	apply(t, op, other)
	for _, tt := range []struct {
		now  time.Duration
		why  string
		keys int
	}{
		{0, "which other stacks use", 4},
		{0, "with 1 objects of the last 24 hours", 3},
		{25 * time.Hour, "empty; the next deploy uses it", 2},
	} {
		op.Now = func() time.Time { return time.Now().Add(tt.now) }
		apply(t, op, request(t, "functions/ingest/11111111111111111111111111111111.zip", false))
		if l := destroyed(); !strings.Contains(l.Why, tt.why) || l.Costs {
			t.Errorf("%+v, want %q", l, tt.why)
		}
		if keys := fake.Objects().Keys(name); len(keys) != tt.keys {
			t.Errorf("%q: objects %v, want %d", tt.why, keys, tt.keys)
		}
		if tt.keys == 4 {
			if _, err := op.CloudFormation.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: &other.Stack}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWhatIsLeftIsUnknown denies every read of leftovers once the stack is gone: this
// is reported, and the destroy succeeds.
func TestWhatIsLeftIsUnknown(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	apply(t, op, live(t, "one", "Delete", "Delete"))
	p := plan(t, op, func(o *deploy.DestroyOptions) { o.ArtifactBucket = artifactBucket })
	op.Report = func(e stack.Event) {
		if strings.HasPrefix(e.Text, "Deleting stack") {
			for service, action := range map[string]string{"logs": "DescribeLogGroups", "rds": "DescribeDBSnapshots", "s3": "ListObjectVersions"} {
				fake.FailCall(service, action, 403, "AccessDenied", "not you", 1000)
			}
		}
	}
	left, err := op.Destroy(t.Context(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	var kinds []string
	for _, l := range left {
		if l.Costs && strings.Contains(l.Why, "are unknown: ") && strings.Contains(l.Why, "AccessDenied") && !slices.Contains(kinds, l.Type) {
			kinds = append(kinds, l.Type)
		}
	}
	slices.Sort(kinds)
	if want := []string{"AWS::Logs::LogGroup", "AWS::RDS::DBSnapshot", "AWS::S3::Bucket"}; !slices.Equal(kinds, want) {
		t.Errorf("reported %v, want %v: %+v", kinds, want, left)
	}
}
