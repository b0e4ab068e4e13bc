package e2e_test

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestBriefCreateWithCommonSettings runs the documented create-stack with the settings
// that most teams add: the template still fits into the request.
func TestBriefCreateWithCommonSettings(t *testing.T) {
	have(t, "aws")
	w := newWorkplace(t, "")
	const common = `StackName: common
AlarmEmail: oncall@example.com
AvailabilityZones: 3
CorsAllowedOrigins: [https://www.example.com]
Metrics: [{Name: revenue, EventType: purchase, Sum: properties.amount, By: [properties.currency]}]
PermissionsBoundaryArn: arn:aws:iam::123456789012:policy/boundary
`
	w.set(common + soon)
	w.streamctl("package").want(0)
	r := w.streamctl("render").want(0)
	if err := os.WriteFile(w.dir+"/main.yaml", []byte(r.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	w.aws("cloudformation", "create-stack", "--stack-name", "common", "--template-body", "file://main.yaml",
		"--parameters", "ParameterKey=Environment,ParameterValue=production", "ParameterKey=DatabasePassword,ParameterValue="+password,
		"--capabilities", "CAPABILITY_NAMED_IAM", "--region", "us-east-1").want(0)
	if status := w.settled("common"); status != "CREATE_COMPLETE" {
		t.Fatalf("create: %s", status)
	}
	const warning = "Nobody receives the stack's alarms yet: confirm the subscription"
	w.streamctl("status").want(0).says(warning)
	w.streamctl("doctor", "--source", w.platform.Root).want(0).says("warn  alarms")
	w.platform.Fake.ConfirmSubscriptions()
	if r := w.streamctl("status").want(0); strings.Contains(r.stderr, "Nobody receives") {
		t.Errorf("a confirmed subscription is reported as missing:\n%s", r.stderr)
	}
	w.deployed("common").exercise()
	w.platform.Fake.ResetCalls()
	w.set(common + "ThrottleRate: 500\n" + soon)
	w.streamctl("deploy", "--dry-run").want(0).says("Modify ApiStage (AWS::ApiGateway::Stage)")
	var writes []string
	for _, c := range w.platform.Fake.Calls() {
		if action := cmp.Or(c.Operation, c.Action); c.Principal == awsfake.PrincipalUser && !readCall.MatchString(action) {
			writes = append(writes, action)
		}
	}
	if want := []string{"CreateChangeSet", "DeleteChangeSet"}; !slices.Equal(writes, want) {
		t.Errorf("deploy --dry-run called %v, want %v", writes, want)
	}
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(8)
}

// templateURL is the option with the URL in the command that package prints.
var templateURL = regexp.MustCompile(`(?m)^  --template-url (https://\S+) \\$`)

// TestTemplateURLWithEveryOption creates a stack from a template that is too large for
// a request, with the command that package prints.
func TestTemplateURLWithEveryOption(t *testing.T) {
	have(t, "aws")
	w := newWorkplace(t, "")
	w.set("StackName: large\n" + soon + w.options("large.example.com", everyoption.ObjectLock))
	r := w.streamctl("package").want(0)
	found := templateURL.FindStringSubmatch(r.stderr)
	if found == nil {
		t.Fatalf("package printed no --template-url:\n%s", r.stderr)
	}
	if r := w.streamctl("render"); !strings.Contains(r.stderr, "prints the command with --template-url") {
		t.Errorf("render printed no alternative:\n%s", r.stderr)
	}
	w.aws("cloudformation", "create-stack", "--stack-name", "large", "--template-url", found[1],
		"--parameters", "ParameterKey=Environment,ParameterValue=production", "ParameterKey=DatabasePassword,ParameterValue="+password,
		"--capabilities", "CAPABILITY_NAMED_IAM", "--region", "us-east-1").want(0)
	if status := w.settled("large"); status != "CREATE_COMPLETE" {
		t.Fatalf("create: %s", status)
	}
	w.deployed("large").exercise()
	w.set("StackName: large\n" + soon + w.options("large.example.com", everyoption.ObjectLock) + "CacheNodeType: cache.m7g.large\n")
	w.streamctl("deploy", "--dry-run").want(0).says("Modify Cache (AWS::ElastiCache::ReplicationGroup)").says("computed")
	w.onlyReads()
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(8)
}

// onlyReads runs the verbs that change nothing, and lists their calls.
func (w *workplace) onlyReads() {
	w.t.Helper()
	for _, args := range [][]string{
		{"diff"}, {"status"}, {"outputs"}, {"destroy", "--dry-run"}, {"deploy", "--dry-run"}, {"doctor", "--source", w.platform.Root},
	} {
		w.platform.Fake.ResetCalls()
		w.streamctl(args...).want(0)
		calls := map[string]int{}
		for _, c := range w.platform.Fake.Calls() {
			if c.Principal != awsfake.PrincipalUser {
				continue
			}
			action := cmp.Or(c.Operation, c.Action)
			calls[c.Service+":"+action]++
			if !readCall.MatchString(action) {
				w.t.Errorf("%v called %s:%s", args, c.Service, action)
			}
		}
		w.t.Logf("%v: %v", args, calls)
	}
}

// readCall matches the operations that change nothing.
var readCall = regexp.MustCompile(`^(GET|(Get|List|Describe|Head|Filter)[A-Z])`)
