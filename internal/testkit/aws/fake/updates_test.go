package fake_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	streamctl "github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// change changes one variable of a stack.
type change struct {
	variable      string // as in docs/updates.md
	before, after string // lines of a variables file
	refused       bool   // before any call
	// replaced and conditional are the resources that the change set replaces
	// or may replace; added and removed are the new and deleted ones. A
	// deployment of the API and a version of a function are listed without
	// their hash.
	replaced, conditional, added, removed string
}

// updates covers every variable in the template at least once.
func updates() []change {
	const zone = "PrivateSubnetC PrivateSubnetCAssociation"
	option := map[string]string{}
	for _, o := range everyoption.List() {
		option[o.Name] = o.Lines
	}
	return []change{
		{variable: "Environment", after: "Environment: staging", refused: true},
		{variable: "ProjectName", after: "ProjectName: another"},
		{variable: "VpcCidr", after: "VpcCidr: 10.7.0.0/16", refused: true},
		{variable: "DatabaseUsername", after: "DatabaseUsername: somebody", refused: true},
		{variable: "DatabaseInstanceClass", after: "DatabaseInstanceClass: db.m7g.large"},
		{variable: "AvailabilityZones", after: "AvailabilityZones: 3", added: zone},
		{variable: "AvailabilityZones", before: "AvailabilityZones: 3", removed: zone},
		{variable: "StreamMode", after: "StreamMode: ON_DEMAND"},
		{variable: "StreamMode", before: "StreamMode: ON_DEMAND", after: "ShardCount: 4"},
		{variable: "ShardCount", after: "ShardCount: 2"},
		{variable: "ShardCount", after: "ShardCount: 3", refused: true},
		{variable: "ShardCount", before: "ShardCount: 8", after: "ShardCount: 2", refused: true},
		{variable: "StreamRetentionHours", after: "StreamRetentionHours: 336"},
		{variable: "StreamRetentionHours", after: "StreamRetentionHours: 48"},
		{variable: "ProcessorMapping", after: "ProcessorMapping: {BatchSize: 500, WindowSeconds: 1, Parallelization: 2, RecordAgeSeconds: 3600}"},
		{variable: "ArchiverMapping", after: "ArchiverMapping: {BatchSize: 5000, WindowSeconds: 30}"},
		{variable: "DatabaseEngineVersion", before: "DatabaseEngineVersion: \"16\"", after: "DatabaseEngineVersion: \"17\"", replaced: "DatabaseParameters", conditional: "Database"},
		{variable: "DatabaseEngineVersion", before: "DatabaseEngineVersion: \"17\"", after: "DatabaseEngineVersion: \"16\"", refused: true},
		{variable: "DatabaseStorageGiB", after: "DatabaseStorageGiB: 100"},
		{variable: "DatabaseStorageGiB", after: "DatabaseStorageGiB: 30", refused: true},
		{variable: "DatabaseMaxStorageGiB", after: "DatabaseMaxStorageGiB: 1000"},
		{variable: "DatabaseMultiAz", after: "DatabaseMultiAz: false", conditional: "Database"},
		{variable: "DatabaseDeletionProtection", after: "DatabaseDeletionProtection: false"},
		{variable: "BackupRetentionDays", after: "BackupRetentionDays: 14", conditional: "Database"},
		{variable: "CacheNodeType", after: "CacheNodeType: cache.m7g.large"},
		{variable: "CacheNodes", after: "CacheNodes: 3"},
		{variable: "CacheNodes", after: "CacheNodes: 1", removed: "CacheLagAlarm"},
		{variable: "LogRetentionDays", after: "LogRetentionDays: 365"},
		{variable: "AlarmEmail", after: "AlarmEmail: oncall@example.com", added: "AlarmEmailSubscription"},
		{variable: "AlarmEmail", before: "AlarmEmail: oncall@example.com", after: "AlarmEmail: other@example.com", replaced: "AlarmEmailSubscription"},
		{variable: "ThrottleRate", after: "ThrottleRate: 2000"},
		{variable: "ThrottleBurst", after: "ThrottleBurst: 3000"},
		{variable: "ApiGatewayAccountRole", after: "ApiGatewayAccountRole: existing", removed: "ApiAccount ApiAccountRole"},
		{variable: "ApiGatewayAccountRole", before: "ApiGatewayAccountRole: existing", added: "ApiAccount ApiAccountRole"},
		{variable: "ApiEndpointAccessMode", after: "ApiEndpointAccessMode: BASIC", added: "ApiDeployment", removed: "ApiDeployment"},
		{variable: "EventMaxAgeDays", after: "EventMaxAgeDays: 60"},
		{variable: "WarehouseRetentionDays", after: "WarehouseRetentionDays: 0"},
		{variable: "EventTypes", after: option["event-types"]},
		{variable: "EventTypes", before: option["event-types"]},
		{variable: "Metrics", after: option["metrics"]},
		{variable: "ReadReplicas", after: "ReadReplicas: 1", added: "DatabaseReplica1 ReplicaLagAlarm1"},
		{variable: "ReadReplicas", before: "ReadReplicas: 1", removed: "DatabaseReplica1 ReplicaLagAlarm1"},
		{variable: "ArchiveTransitionDays", after: option["archive-transitions-deep"]},
		{variable: "ArchiveReplicationBucketArn", after: option["archive-replication"], added: "ArchiveReplicationPolicy ArchiveReplicationRole"},
		{variable: "ArchiveReplicationKeyArn", before: option["archive-replication"], after: strings.ReplaceAll(option["archive-replication"], "1111-", "2222-")},
		{variable: "ReplayBuckets", after: option["replay-buckets"]},
		{variable: "ReplayKeyArns", before: option["replay-buckets"], after: strings.ReplaceAll(option["replay-buckets"], "1111-", "2222-")},
		{variable: "ObjectLockDays", after: "ObjectLockDays: 30", refused: true},
		{variable: "ObjectLockDays", before: "ObjectLockDays: 30", after: "ObjectLockDays: 60"},
		{variable: "CorsAllowedOrigins", after: option["cors-one-origin"], added: "ApiDeployment ApiOptionsEvents ApiOptionsMetric", removed: "ApiDeployment"},
		{variable: "WriteKeys", after: option["write-keys"], added: "ApiBeaconAny ApiBeaconPaths ApiBeaconResource ApiClientsAny ApiClientsPaths ApiClientsResource ApiDeployment IngestBeaconPermission IngestClientsPermission", removed: "ApiDeployment"},
		{variable: "Alerts", after: option["alerts"], added: "AlertDropAlarm AlertNoPurchasesAlarm"},
		{variable: "Alerts", before: option["alerts"], removed: "AlertDropAlarm AlertNoPurchasesAlarm"},
		{variable: "WriteKeysRate", before: option["write-keys"], after: option["write-keys"] + "\nWriteKeysRate: 10"},
		{variable: "WriteKeysBurst", before: option["write-keys"], after: option["write-keys"] + "\nWriteKeysBurst: 10"},
		{variable: "StreamFormats", after: option["stream-formats"]},
		{variable: "StreamFormats", before: option["stream-formats"]},
		{variable: "InsightProperties", after: option["insight-properties"]},
		{variable: "Privacy", after: "Privacy: {HonorDoNotTrack: true}"},
		{variable: "WebAcl", after: "WebAcl: true", added: "WebAcl WebAclAssociation WebAclLogGroup WebAclLogging"},
		{variable: "WebAcl", before: "WebAcl: true", removed: "WebAcl WebAclAssociation WebAclLogGroup WebAclLogging"},
		{variable: "WebAcl", before: "WebAcl: true", after: option["web-acl-existing"], refused: true},
		{variable: "Functions", after: "Functions: {processor: {MemorySize: 1024, Timeout: 120, ReservedConcurrency: 4}}"},
		{variable: "Functions", after: "Functions: {query: {ProvisionedConcurrency: 1}}", added: "ApiDeployment QueryAlias QueryVersion", removed: "ApiDeployment", conditional: "QueryPermission"},
		{variable: "Functions", before: "Functions: {query: {ProvisionedConcurrency: 1}}", after: "Functions: {query: {ProvisionedConcurrency: 1, MemorySize: 1024}}", added: "QueryVersion", removed: "QueryVersion"},
		{variable: "PermissionsBoundaryArn", after: option["permissions-boundary"]},
		{variable: "FlowLogs", after: "FlowLogs: true", added: "FlowLog FlowLogGroup FlowLogRole"},
		{variable: "DomainName", after: option["domain"], added: "Domain DomainMapping DomainRecord"},
		{variable: "DomainName", before: option["domain"], after: strings.ReplaceAll(option["domain"], "events.", "analytics."), replaced: "Domain DomainRecord", conditional: "DomainMapping"},
		{variable: "DomainCertificateArn", before: option["domain"], after: strings.ReplaceAll(option["domain"], "1111-", "2222-")},
		{variable: "DomainHostedZoneId", before: option["domain"], after: strings.ReplaceAll(option["domain"], "Z0123", "Z9123"), replaced: "DomainRecord"},
		{variable: "ArtifactBucket", after: "ArtifactBucket: our-code"},
		{variable: "S3PrefixListId", after: "S3PrefixListId: pl-0123abcd", replaced: "S3ClientsEgress"},
	}
}

// outside lists the variables that no template contains, each with its user.
func outside() map[string]string {
	return map[string]string{
		"DatabasePassword":      "a parameter, with a test of its own",
		"StackName":             "the stack itself",
		"Region":                "the stack itself",
		"Account":               "a guard of the deploy",
		"Tags":                  "the stack's tags",
		"TerminationProtection": "set by the deploy",
	}
}

// TestUpdates changes each variable of a stack and compares the change set with
// docs/updates.md.
func TestUpdates(t *testing.T) {
	rows := updatesPage(t)
	for _, u := range updates() {
		t.Run(u.variable+"/"+firstLine(u.before)+" to "+firstLine(u.after), func(t *testing.T) {
			t.Parallel()
			page := rows[u.variable]
			if got := u.refusals(t); got != u.refused {
				t.Fatalf("refused is %t", got)
			}
			if u.refused {
				if !strings.Contains(page, "refused") {
					t.Errorf("docs/updates.md doesn't mention that it is rejected: %s", page)
				}
				return
			}
			got := u.changes(t)
			want := map[string]string{"replaced": u.replaced, "conditional": u.conditional, "added": u.added, "removed": u.removed}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if u.conditional == "Database" && !strings.Contains(page, "--allow-replace Database") && !strings.Contains(page, "Conditional as above") {
				t.Errorf("docs/updates.md doesn't mention --allow-replace: %s", page)
			}
			for _, id := range []string{"EventStream", "Database", "Cache", "ArchiveBucket", "Key"} {
				if slices.Contains(strings.Fields(got["replaced"]+" "+got["removed"]), id) {
					t.Errorf("%s would be lost and the deploy doesn't reject it", id)
				}
			}
		})
	}
	seen := map[string]bool{}
	for _, u := range updates() {
		seen[u.variable] = true
	}
	for variable := range rows {
		if _, known := outside()[variable]; known == seen[variable] {
			t.Errorf("%s: a case is missing here, or superfluous", variable)
		}
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// updatesPage returns the rows of docs/updates.md.
func updatesPage(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/updates.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z0-9]+) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	return rows
}

// rendered returns production's template with additional lines, and its
// parameters.
func (u change) rendered(t *testing.T, lines string) (streamctl.Variables, string, []types.Parameter) {
	t.Helper()
	v, err := streamctl.Load(strings.NewReader(lines), "updates.yaml", "")
	if err != nil {
		t.Fatal(err)
	}
	keys := codeKeys()
	built, err := template.Build(v, template.Options{CodeKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	body, err := built.YAML()
	if err != nil {
		t.Fatal(err)
	}
	parameters := []types.Parameter{param("DatabasePassword", "YourSecurePassword123!")}
	for name, value := range template.Values(v) {
		parameters = append(parameters, param(name, value))
	}
	return v, string(body), parameters
}

func (u change) refusals(t *testing.T) bool {
	t.Helper()
	old, oldBody, _ := u.rendered(t, u.before)
	next, nextBody, _ := u.rendered(t, u.after)
	refusals, err := template.CheckUpdate(
		template.Deployed{Body: []byte(oldBody), Parameters: template.Values(old)},
		template.Deployed{Body: []byte(nextBody), Parameters: template.Values(next)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refusals {
		if r.Variable != u.variable {
			t.Errorf("rejected for %s", r.Variable)
		}
	}
	return len(refusals) > 0
}

// changes creates the stack and the change set.
func (u change) changes(t *testing.T) map[string]string {
	t.Helper()
	f := faketest.Start(t, awsfake.Options{Answer: migrated})
	prepare(t, f)
	f.SetAPIGatewayRole("arn:aws:iam::123456789012:role/somebody's") // for stacks without a role of their own
	if strings.Contains(u.after, "ArtifactBucket") {
		putCode(t, f, "our-code")
	}
	c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
	_, body, parameters := u.rendered(t, u.before)
	_, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String("events"), TemplateURL: aws.String(putTemplate(t, f, "before.yaml", body)), Parameters: parameters,
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "events"), types.StackStatusCreateComplete)
	_, body, parameters = u.rendered(t, u.after)
	set, err := c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: aws.String("events"), ChangeSetName: aws.String("next"), TemplateURL: aws.String(putTemplate(t, f, "after.yaml", body)), Parameters: parameters,
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := cloudformation.NewChangeSetCreateCompleteWaiter(c, func(o *cloudformation.ChangeSetCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 20*time.Millisecond
	}).WaitForOutput(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Changes) == 0 {
		t.Error("changes nothing")
	}
	got := map[string][]string{}
	for _, c := range out.Changes {
		r := c.ResourceChange
		id := regexp.MustCompile(`(Deployment|Version)[0-9a-f]{10}$`).ReplaceAllString(aws.ToString(r.LogicalResourceId), "$1")
		switch {
		case r.Action == types.ChangeActionAdd:
			got["added"] = append(got["added"], id)
		case r.Action == types.ChangeActionRemove:
			got["removed"] = append(got["removed"], id)
		case r.Replacement == types.ReplacementTrue:
			got["replaced"] = append(got["replaced"], id)
		case r.Replacement == types.ReplacementConditional:
			got["conditional"] = append(got["conditional"], id)
		}
	}
	flat := map[string]string{"replaced": "", "conditional": "", "added": "", "removed": ""}
	for kind, ids := range got {
		slices.Sort(ids)
		flat[kind] = strings.Join(ids, " ")
	}
	return flat
}
