package cli_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/iampolicy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// check is a line of doctor -o json.
type check struct {
	Check, Status, Detail, Remedy string
	OK, Warning                   bool
}

// doctor runs doctor --live without a canary, and returns its checks. The exit code is 1
// if one of them failed.
func (p platform) doctor(t *testing.T) []check {
	t.Helper()
	code, out, said := p.run(t.Context(), t, "doctor", "--live", "--no-canary", "--source", "../..", "-o", "json")
	var checks []check
	if err := json.Unmarshal([]byte(out), &checks); err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, said)
	}
	if failed := slices.ContainsFunc(checks, func(c check) bool { return !c.OK }); failed != (code == 1) || code > 1 {
		t.Errorf("exit code %d: %s", code, said)
	}
	for _, c := range checks {
		if (c.Status == "ok") != (c.Remedy == "") || c.OK != (c.Status != "fail") || c.Warning != (c.Status == "warn") {
			t.Errorf("%+v", c)
		}
	}
	return checks
}

// healthyLines are variables of a stack whose alarms a person receives.
const healthyLines = "AlarmEmail: oncall@example.com\nReadReplicas: 1\n"

func healthy(t *testing.T, o awsfake.Options) platform {
	t.Helper()
	p := startPlatform(t, o, healthyLines)
	p.ConfirmSubscriptions()
	return p
}

// TestHealthyStack has no warning.
func TestHealthyStack(t *testing.T) {
	p := healthy(t, awsfake.Options{})
	checks := p.doctor(t)
	for _, c := range checks {
		if c.Status != "ok" {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{"clock", "alarms", "subscribers", "key", "database", "certificate", "database TLS", "stream", "archive", "cache", "API TLS", "functions", "roles",
		"Lambda quota", "Kinesis quota", "RDS quota", "permissions", "drift"} {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.Check == name }) {
			t.Errorf("no check %s", name)
		}
	}
}

// TestPlantedFaults plants one fault each: its check reports it, with a remedy.
func TestPlantedFaults(t *testing.T) {
	property := func(id, name string, value any) func(*testing.T, platform) {
		return func(t *testing.T, p platform) {
			t.Helper()
			if err := p.SetProperty("shown", id, name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(id string) func(*testing.T, platform) {
		return func(t *testing.T, p platform) {
			t.Helper()
			if err := p.RemoveResource("shown", id); err != nil {
				t.Fatal(err)
			}
		}
	}
	account := func(a awsfake.Account) func(*testing.T, platform) {
		return func(_ *testing.T, p platform) { p.SetAccount(a) }
	}
	denied := func(service, action, code string) func(*testing.T, platform) {
		return func(_ *testing.T, p platform) {
			p.FailCall(service, action, http.StatusForbidden, code, "not authorized", 1000)
		}
	}
	alarm := func(id, state string) func(*testing.T, platform) {
		return func(_ *testing.T, p platform) { p.SetAlarm(id, state, "staged") }
	}
	for name, tt := range map[string]struct {
		plant                 func(*testing.T, platform)
		check, status, detail string
	}{
		"an alarm fires":            {alarm("DatabaseCpuAlarm", "ALARM"), "alarms", "fail", "DatabaseCpuAlarm fires: PostgreSQL used more than 80 % CPU"},
		"an alarm without data":     {alarm("StreamLagAlarm", "INSUFFICIENT_DATA"), "alarms", "warn", "without data: StreamLagAlarm"},
		"an alarm is deleted":       {gone("ArchiveAlarm"), "alarms", "fail", "deleted outside of the stack: ArchiveAlarm"},
		"an alarm is off":           {property("ApiErrorsAlarm", "ActionsEnabled", "false"), "alarms", "fail", "their actions are disabled: ApiErrorsAlarm"},
		"alarms denied":             {denied("cloudwatch", "DescribeAlarms", "AccessDenied"), "alarms", "warn", "skipped: not allowed"},
		"subscription deleted":      {gone("AlarmEmailSubscription"), "subscribers", "warn", "Nobody receives the stack's alarms"},
		"key disabled":              {property("Key", "Enabled", false), "key", "fail", "its state is Disabled"},
		"database not encrypted":    {property("Database", "StorageEncrypted", false), "database", "fail", "Database: encryption is false, want true"},
		"database with another key": {property("Database", "KmsKeyId", "arn:aws:kms:us-east-1:123456789012:key/other"), "database", "fail", "key is other, want "},
		"PostgreSQL without TLS":    {property("DatabaseParameters", "Parameters", map[string]any{"rds.force_ssl": "0"}), "database TLS", "fail", "rds.force_ssl is 0, want 1"},
		"parameter removed":         {property("DatabaseParameters", "Parameters", map[string]any{}), "database TLS", "fail", "rds.force_ssl is not set, want 1"},
		"certificate expired":       {account(awsfake.Account{Certificate: time.Now().Add(-time.Hour)}), "certificate", "fail", "expired"},
		"certificate ends":          {account(awsfake.Account{Certificate: time.Now().Add(20 * 24 * time.Hour)}), "certificate", "warn", "in 19 days"},
		"stream not encrypted":      {property("EventStream", "StreamEncryption", nil), "stream", "fail", "encryption is NONE, want KMS"},
		"archive with S3's key":     {property("ArchiveBucket", "BucketEncryption", nil), "archive", "fail", "encryption is AES256, want aws:kms"},
		"Redis without TLS":         {property("Cache", "TransitEncryptionEnabled", false), "cache", "fail", "TLS is false, want true"},
		"Redis not encrypted":       {property("Cache", "AtRestEncryptionEnabled", false), "cache", "fail", "encryption is false, want true"},
		"API with old TLS":          {property("Api", "SecurityPolicy", "TLS_1_0"), "API TLS", "fail", "security policy is TLS_1_0, want SecurityPolicy_TLS13_1_2_2021_06"},
		"another role":              {property("QueryFunction", "Role", "arn:aws:iam::123456789012:role/admin"), "functions", "fail", "QueryFunction: role is admin, want "},
		"a role is deleted":         {gone("ProcessorRole"), "roles", "fail", "ProcessorRole (shown-ProcessorRole-"},
		"another policy": {func(t *testing.T, p platform) {
			t.Helper()
			property("QueryRole", "ManagedPolicyArns", []any{"arn:aws:iam::aws:policy/AdministratorAccess"})(t, p)
		}, "roles", "warn", "QueryRole has policies that the template doesn't attach: arn:aws:iam::aws:policy/AdministratorAccess"},
		"drift":                 {property("Database", "BackupRetentionPeriod", "0"), "drift", "warn", `Database (AWS::RDS::DBInstance) was changed outside of the stack: /BackupRetentionPeriod is "0", want `},
		"a resource is deleted": {gone("AlarmTopicPolicy"), "drift", "fail", "AlarmTopicPolicy (AWS::SNS::TopicPolicy) was deleted outside of the stack"},
		"drift denied":          {denied("cloudformation", "DetectStackDrift", "AccessDenied"), "drift", "warn", "skipped: not allowed"},
		"a new account":         {account(awsfake.Account{Concurrency: 10}), "Lambda quota", "warn", "10 concurrent executions for all functions of the account"},
		"Lambda is full": {func(_ *testing.T, p platform) {
			p.SetMetric("AWS/Lambda", "ConcurrentExecutions", "", constant(950))
		}, "Lambda quota", "warn", "950 of 1000 used"},
		"shards used up":       {account(awsfake.Account{Shards: 10, OpenShards: 10}), "Kinesis quota", "fail", "10 of 10 used"},
		"instances used up":    {account(awsfake.Account{Instances: 40}), "RDS quota", "fail", "40 of 40 used"},
		"permissions lack":     {account(awsfake.Account{Denied: []string{"rds:CreateDBInstance", "kms:CreateKey"}}), "permissions", "fail", "may not: kms:CreateKey, rds:CreateDBInstance"},
		"simulation denied":    {denied("iam", "SimulatePrincipalPolicy", "AccessDenied"), "permissions", "warn", "skipped: not allowed"},
		"a service that fails": {denied("rds", "DescribeDBParameters", "InternalFailure"), "database TLS", "fail", "unknown: read parameters of "},
	} {
		t.Run(name, func(t *testing.T) {
			p := healthy(t, awsfake.Options{})
			tt.plant(t, p)
			checks := p.doctor(t)
			if !slices.ContainsFunc(checks, func(c check) bool {
				return c.Check == tt.check && c.Status == tt.status && strings.Contains(c.Detail, tt.detail) && c.Remedy != ""
			}) {
				t.Errorf("want %s of %s with %q; got", tt.status, tt.check, tt.detail)
				for _, c := range checks {
					if c.Status != "ok" || c.Check == tt.check {
						t.Errorf("  %+v", c)
					}
				}
			}
		})
	}
}

// TestClockIsFound has a clock of AWS that differs from this machine's.
func TestClockIsFound(t *testing.T) {
	for skew, status := range map[time.Duration]string{2 * time.Minute: "warn", -7 * time.Minute: "fail"} {
		startStandIn(t, awsfake.Options{Skew: skew})
		p := platform{dir: t.TempDir()}
		variablesIn(t, p.dir, "StackName: shown\n")
		if checks := p.doctor(t); !slices.ContainsFunc(checks, func(c check) bool {
			return c.Check == "clock" && c.Status == status && strings.Contains(c.Detail, "from AWS's clock")
		}) {
			t.Errorf("%s: %+v", skew, checks)
		}
	}
}

// TestBeforeADeploy examines an account without the stack.
func TestBeforeADeploy(t *testing.T) {
	for name, tt := range map[string]struct {
		plant                 func(*awsfake.Fake) error
		check, status, detail string
	}{
		"nothing":       {func(*awsfake.Fake) error { return nil }, "log groups", "ok", "names are free"},
		"a log group":   {func(f *awsfake.Fake) error { f.AddLogGroup("/aws/lambda/shown-ingest"); return nil }, "log groups", "fail", "/aws/lambda/shown-ingest"},
		"too few zones": {func(f *awsfake.Fake) error { f.SetAccount(awsfake.Account{Zones: []string{"us-east-1a"}}); return nil }, "zones", "fail", "1 availability zones, want 2"},
		"five VPCs":     {func(f *awsfake.Fake) error { f.SetAccount(awsfake.Account{VPCs: 5}); return nil }, "VPC quota", "warn", "5 VPCs, a deploy adds 1"},
		"no instance":   {func(f *awsfake.Fake) error { f.SetAccount(awsfake.Account{Instances: 40}); return nil }, "RDS quota", "fail", "a deploy adds 1"},
		"no shard":      {func(f *awsfake.Fake) error { f.SetAccount(awsfake.Account{Shards: 1, OpenShards: 1}); return nil }, "Kinesis quota", "fail", "a deploy adds"},
		"a new account": {func(f *awsfake.Fake) error { f.SetAccount(awsfake.Account{Concurrency: 10}); return nil }, "Lambda quota", "warn", "10 concurrent executions"},
		"a bucket of another": {func(f *awsfake.Fake) error {
			f.FailCall("s3", "HeadBucket", http.StatusForbidden, "AccessDenied", "no", 1000)
			return nil
		}, "artifact bucket", "fail", "belongs to another account"},
		"an alias": {func(f *awsfake.Fake) error { f.AddKeyAlias("alias/shown"); return nil }, "key alias", "fail", "alias/shown exists already"},
		"no permission": {func(f *awsfake.Fake) error {
			f.SetAccount(awsfake.Account{Denied: []string{"iam:CreateRole"}})
			return nil
		}, "permissions", "fail", "may not: iam:CreateRole"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startStandIn(t, awsfake.Options{})
			p := platform{Fake: f, dir: t.TempDir()}
			variablesIn(t, p.dir, "StackName: shown\n")
			if err := tt.plant(f); err != nil {
				t.Fatal(err)
			}
			if checks := p.doctor(t); !slices.ContainsFunc(checks, func(c check) bool {
				return c.Check == tt.check && c.Status == tt.status && strings.Contains(c.Detail, tt.detail)
			}) {
				t.Errorf("%+v", checks)
			}
		})
	}
}

// TestHealthNeedsItsPermissions compares the calls of status and doctor with the printed
// policy, in both directions.
func TestHealthNeedsItsPermissions(t *testing.T) {
	p := healthy(t, awsfake.Options{})
	p.ResetCalls()
	p.doctor(t)
	if code, _, said := p.run(t.Context(), t, "status"); code != 0 {
		t.Fatal(said)
	}
	before := platform{Fake: p.Fake, dir: t.TempDir()}
	variablesIn(t, before.dir, "StackName: another\n")
	before.doctor(t)
	_, printed, _ := p.run(t.Context(), t, "doctor", "--print-policy")
	called := map[string]bool{}
	for _, c := range p.Calls() {
		if c.Principal != awsfake.PrincipalUser {
			continue
		}
		action := c.Service + ":" + c.Action
		if c.Service == "apigateway" {
			action = "apigateway:GET"
		}
		called[action] = true
		if !strings.Contains(printed, `"`+action+`"`) {
			t.Errorf("the policy lacks %s", action)
		}
	}
	byCloudFormation := []string{"cloudformation:DetectStackResourceDrift", "cloudformation:BatchDescribeTypeConfigurations"}
	for service, actions := range iampolicy.HealthActions() {
		for _, action := range actions {
			name := service + ":" + action
			if !called[name] && !slices.Contains(byCloudFormation, name) {
				t.Errorf("%s was not needed", name)
			}
			if !strings.Contains(printed, `"`+name+`"`) {
				t.Errorf("the policy lacks %s", name)
			}
		}
	}
}
