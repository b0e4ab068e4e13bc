package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/streamctl/streamctl/internal/contract"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/iamsim"
)

// unseen lists the permissions that no recorded call needs, each with the
// reason why its role has it. Every other permission of a role must have been
// used.
func unseen() map[string]string {
	return map[string]string{
		"logs:CreateLogStream":           "Lambda writes the log with the function's role",
		"logs:PutLogEvents":              "Lambda writes the log with the function's role",
		"xray:PutTraceSegments":          "Lambda sends traces with the function's role",
		"xray:PutTelemetryRecords":       "Lambda sends traces with the function's role",
		"ec2:CreateNetworkInterface":     "Lambda connects the function to the VPC",
		"ec2:DescribeNetworkInterfaces":  "Lambda connects the function to the VPC",
		"ec2:DescribeSubnets":            "Lambda connects the function to the VPC",
		"ec2:DeleteNetworkInterface":     "Lambda disconnects the function from the VPC",
		"ec2:AssignPrivateIpAddresses":   "Lambda connects the function to the VPC",
		"ec2:UnassignPrivateIpAddresses": "Lambda disconnects the function from the VPC",
		"kinesis:DescribeStream":         "the event source mapping reads the stream",
		"kinesis:DescribeStreamSummary":  "the event source mapping reads the stream",
		"kinesis:GetRecords":             "the event source mapping reads the stream",
		"kinesis:GetShardIterator":       "the event source mapping reads the stream",
		"kinesis:ListShards":             "the event source mapping reads the stream",
		"kinesis:ListStreams":            "the event source mapping is checked when it is made",
		"s3:ListBucket":                  "the event source mapping looks for its on-failure bucket",
		"s3:PutObject aws/lambda/*":      "the event source mapping writes what it gave up",
		"kms:Decrypt":                    "Kinesis and S3 decrypt with the caller's permission",
		"kms:GenerateDataKey":            "Kinesis and S3 encrypt with the caller's permission",
	}
}

// permission is one action on one resource pattern.
type permission struct{ action, resource string }

// role returns the permissions of a function's role.
func role(f *awsfake.Fake, stackName, function string) []permission {
	id := strings.ToUpper(function[:1]) + function[1:] + "Role"
	properties := f.Properties(stackName, id)
	var out []permission
	for _, p := range list(properties["Policies"]) {
		out = append(out, allowed(p.(map[string]any)["PolicyDocument"])...)
	}
	for _, attached := range list(properties["ManagedPolicyArns"]) {
		for _, shared := range []string{"FunctionPolicy", "VpcFunctionPolicy", "StreamReaderPolicy", "CacheClientPolicy"} {
			if managed, _ := f.PhysicalID(stackName, shared); attached == managed {
				out = append(out, allowed(f.Properties(stackName, shared)["PolicyDocument"])...)
			}
		}
	}
	return out
}

func allowed(document any) []permission {
	var out []permission
	for _, s := range list(document.(map[string]any)["Statement"]) {
		statement := s.(map[string]any)
		for _, action := range list(statement["Action"]) {
			for _, resource := range list(statement["Resource"]) {
				out = append(out, permission{fmt.Sprint(action), fmt.Sprint(resource)})
			}
		}
	}
	return out
}

// list returns a value that JSON allows to be one or several.
func list(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

func (p permission) allows(c awsfake.Call) bool {
	return p.action == c.Service+":"+c.Action && matches(p.resource, c.Resource)
}

// matches implements IAM's wildcard: a star matches anything, including
// slashes.
func matches(pattern, resource string) bool {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	ok, err := path.Match(flat(pattern), flat(resource))
	return ok && err == nil
}

// reason returns why an unused permission exists.
func (p permission) reason() (string, bool) {
	known := unseen()
	if why, ok := known[p.action]; ok {
		return why, true
	}
	for key, why := range known {
		if action, suffix, two := strings.Cut(key, " "); two && action == p.action && strings.HasSuffix(p.resource, suffix) {
			return why, true
		}
	}
	return "", false
}

// compare returns the calls that a role doesn't allow, and the permissions that
// no call needed.
func compare(function string, permissions []permission, calls []awsfake.Call) (problems []string) {
	for _, c := range calls {
		if !slices.ContainsFunc(permissions, func(p permission) bool { return p.allows(c) }) {
			problems = append(problems, fmt.Sprintf("%s called %s:%s on %s, which its role doesn't allow", function, c.Service, c.Action, c.Resource))
		}
	}
	for _, p := range permissions {
		if _, known := p.reason(); known {
			continue
		}
		if !slices.ContainsFunc(calls, p.allows) {
			problems = append(problems, fmt.Sprintf("%s may %s on %s, which no call needed", function, p.action, p.resource))
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

// TestPermissions runs every path of the functions and compares their calls
// with the rendered roles, in both directions.
func TestPermissions(t *testing.T) {
	w := newWorkplace(t, "StackName: iam\nPrivacy: {HashUserIds: true}")
	w.platform.Fake.ResetCalls() // the calls of other stacks' functions
	w.streamctl("keys", "secret", "--env", "development").want(0)
	w.streamctl("deploy", "--env", "development").want(0)
	s := w.deployed("iam", "--env", "development")
	w.streamctl("tail", "--env", "development", "--no-follow").want(0) // query logs in as the SQL users' role
	calls := s.permissions()
	plant(t, role(w.platform.Fake, "iam", contract.FuncIngest), calls["IngestFunction"])
	w.streamctl("status", "--env", "development").want(0)
	w.streamctl("metrics", "values", "--env", "development", "--forget", "page_view").want(0)
	w.streamctl("logs", "--env", "development").want(0)
	w.streamctl("tail", "--env", "development", "--no-follow", "--rejected").want(0)
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
	w.deployerMay()
}

// deployerMay compares the calls of the deploy and the destroy with the printed
// policy, directly and with a simulator of IAM.
func (w *workplace) deployerMay() {
	w.t.Helper()
	var may []permission
	var printed struct{ Documents []json.RawMessage }
	if err := json.Unmarshal([]byte(w.streamctl("doctor", "--print-policy", "--env", "development").want(0).stdout), &printed); err != nil {
		w.t.Fatal(err)
	}
	var documents [][]byte
	for _, d := range printed.Documents {
		var document map[string]any
		if err := json.Unmarshal(d, &document); err != nil {
			w.t.Fatal(err)
		}
		may, documents = append(may, allowed(document)...), append(documents, d)
	}
	var requests []iamsim.Request
	seen := map[string]bool{}
	for _, c := range w.platform.Fake.Calls() {
		action := c.Service + ":" + c.Action
		if c.Principal != awsfake.PrincipalUser || c.Service == "execute-api" || seen[action+c.Resource] || action == "kinesis:PutRecord" { // calls of the tests
			continue
		}
		seen[action+c.Resource] = true
		r := iamsim.Request{Action: action, From: c.Operation}
		if strings.HasPrefix(c.Resource, "arn:") {
			r.Resources = []string{c.Resource}
			if c.Service == "s3" { // DeleteObjects is recorded for the bucket
				r.Resources = append(r.Resources, c.Resource+"/key")
			}
		}
		requests = append(requests, r)
		if !slices.ContainsFunc(may, func(p permission) bool {
			// The ARN of a stack that was given by name isn't known yet.
			return p.action == action && (!strings.HasPrefix(c.Resource, "arn:") || matches(p.resource, c.Resource))
		}) {
			w.t.Errorf("the deploy called %s on %s, which the printed policy doesn't allow", action, c.Resource)
		}
	}
	account := iamsim.Account{Number: "123456789012", Region: "us-east-1"}
	for _, v := range iamsim.Judge(w.t, account, documents, requests) {
		// The simulator doesn't know the stack of a call that names it.
		if byName := strings.HasPrefix(v.Action, "cloudformation:") && len(v.Resources) == 0; !v.Allowed() && !byName {
			w.t.Errorf("the printed policy doesn't allow %s", v)
		}
	}
	if len(seen) < 20 {
		w.t.Errorf("only %d calls were compared", len(seen))
	}
}

// permissions runs every path of a stack's functions and compares their calls
// with their roles, in both directions. It returns the calls by function.
func (s stack) permissions() map[string][]awsfake.Call {
	t, w := s.t, s.workplace
	t.Helper()
	s.exercise()
	s.poison()
	s.arrivedEarlier()
	for _, rule := range []string{"RefreshSchedule", "UpkeepSchedule"} {
		if err := w.platform.Fake.Fire(t.Context(), rule); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
	for _, route := range []string{"/metrics/summary", "/metrics/events", "/metrics/users"} {
		if status, answer, err := s.query(t.Context(), route); err != nil || status != 200 {
			t.Errorf("%s: %d %s %v", route, status, answer, err)
		}
	}
	s.jobs()
	sql := `{"sql":{"token":"0123456789abcdef","text":"SELECT count(*) FROM events","bind":{},"timeoutSeconds":10}}`
	if answer, err := w.platform.Fake.Invoke(t.Context(), "QueryFunction", []byte(sql)); err != nil || !strings.Contains(string(answer), "messages") {
		t.Errorf("SQL: %s, %v", answer, err)
	}
	calls := map[string][]awsfake.Call{}
	for _, c := range w.platform.Fake.Calls() {
		calls[c.Principal] = append(calls[c.Principal], c)
	}
	used := map[string]bool{}
	var all []permission
	for _, f := range contract.Functions() {
		id := strings.ToUpper(f.Name[:1]) + f.Name[1:] + "Function"
		permissions := role(w.platform.Fake, s.name, f.Name)
		if len(permissions) < 4 || len(calls[id]) == 0 {
			t.Errorf("%s: %d permissions, %d calls", f.Name, len(permissions), len(calls[id]))
		}
		for _, problem := range compare(f.Name, permissions, calls[id]) {
			t.Error(problem)
		}
		all = append(all, permissions...)
	}
	for _, p := range all {
		used[p.action] = true
		if p.action == "s3:PutObject" && strings.HasSuffix(p.resource, "aws/lambda/*") {
			used["s3:PutObject aws/lambda/*"] = true
		}
	}
	for _, action := range slices.Sorted(maps.Keys(unseen())) {
		if !used[action] {
			t.Errorf("%s is on the list of unseen permissions, but no role has it", action)
		}
	}
	return calls
}

// plant removes a permission and adds one: both must be noticed.
func plant(t *testing.T, permissions []permission, calls []awsfake.Call) {
	t.Helper()
	if problems := compare("ingest", permissions, calls); len(problems) != 0 {
		t.Errorf("before planting: %v", problems)
	}
	fewer := slices.DeleteFunc(slices.Clone(permissions), func(p permission) bool { return p.action == "kinesis:PutRecords" })
	if problems := compare("ingest", fewer, calls); len(problems) != 1 || !strings.Contains(problems[0], "kinesis:PutRecords") {
		t.Errorf("a permission taken away: %v", problems)
	}
	more := append(slices.Clone(permissions), permission{"s3:GetObject", "arn:aws:s3:::bucket/*"})
	if problems := compare("ingest", more, calls); len(problems) != 1 || !strings.Contains(problems[0], "s3:GetObject") {
		t.Errorf("a permission added: %v", problems)
	}
}

// poison puts an invalid record on the stream and waits until the processor has
// quarantined it.
func (s stack) poison() {
	s.t.Helper()
	f := s.platform.Fake
	client := kinesis.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &f.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, ""),
	})
	_, err := client.PutRecord(s.t.Context(), &kinesis.PutRecordInput{StreamName: aws.String(s.outputs["StreamName"]), PartitionKey: aws.String("x"), Data: []byte("no envelope at all")})
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "set the poison aside", func(context.Context) error {
		for _, key := range f.Objects().Keys(s.outputs["ArchiveBucket"]) {
			if strings.HasPrefix(key, "quarantine/v1/dt=") {
				return nil
			}
		}
		return errors.New("not there yet")
	})
}
