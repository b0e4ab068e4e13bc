package config_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/metric"
)

func load(t *testing.T, text, environment string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(text), "variables.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, environment := range []string{config.Production, config.Staging, config.Development} {
		if diff := cmp.Diff(config.Default(environment), load(t, "", environment)); diff != "" {
			t.Errorf("%s: (-default +loaded)\n%s", environment, diff)
		}
	}
}

func TestShippedFileIsTheDefault(t *testing.T) {
	text, err := os.ReadFile("../../variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{config.Production, config.Development} {
		if diff := cmp.Diff(config.Default(environment), load(t, string(text), environment)); diff != "" {
			t.Errorf("%s: (-default +loaded)\n%s", environment, diff)
		}
	}
}

func TestLaterValuesWin(t *testing.T) {
	const text = `
Environment: staging
ShardCount: 3
Tags: {Team: a, Cost: x}
Environments:
  staging:
    ShardCount: 4
    Tags: {Team: b}
    StreamRetentionHours: 48
  production:
    ShardCount: 5
`
	v := load(t, text, "")
	if v.Environment != config.Staging || v.ShardCount != 4 || v.StackName != "event-streaming-platform-staging" {
		t.Errorf("staging: %+v", v)
	}
	if diff := cmp.Diff(map[string]string{"Team": "b", "Cost": "x"}, v.Tags); diff != "" {
		t.Errorf("tags: %s", diff)
	}
	if v.ProcessorMapping.RecordAgeSeconds != 48*3600/4*3 {
		t.Errorf("record age follows the retention: got %d", v.ProcessorMapping.RecordAgeSeconds)
	}
	if v := load(t, text, config.Production); v.ShardCount != 5 || v.Environment != config.Production {
		t.Errorf("production: %+v", v)
	}
	if v := load(t, text, config.Development); v.ShardCount != 3 {
		t.Errorf("development: ShardCount %d", v.ShardCount)
	}
}

func TestOnDemandTakesNoShards(t *testing.T) {
	if v := load(t, "StreamMode: ON_DEMAND", ""); v.ShardCount != 0 || v.LoaderConnections() != 0 {
		t.Errorf("got %d shards, %d connections", v.ShardCount, v.LoaderConnections())
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"public block", "VpcCidr: 8.8.0.0/16", `f:1: VpcCidr: "8.8.0.0/16": is a public block; want one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`},
		{"host bits", "VpcCidr: 10.0.1.0/16", `f:1: VpcCidr: "10.0.1.0/16": has bits set after the prefix; want 10.0.0.0/16`},
		{"prefix", "VpcCidr: 10.0.0.0/25", `f:1: VpcCidr: "10.0.0.0/25": /25 is outside /16 to /24`},
		{"no block", "VpcCidr: fd00::/20", `f:1: VpcCidr: "fd00::/20": want an IPv4 block such as 10.0.0.0/16`},
		{"typo", "VpcCdir: 10.0.0.0/16", "f:1: VpcCdir: unknown key; did you mean VpcCidr?"},
		{"nested typo", "ProcessorMapping:\n  BatchSice: 3", "f:2: ProcessorMapping.BatchSice: unknown key; did you mean BatchSize?"},
		{"nothing near", "Colour: blue", "f:1: Colour: unknown key; `streamctl init` writes a file with every key"},
		{"twice", "ShardCount: 1\nShardCount: 2", "f:2: ShardCount: given twice, first on line 1; keep one"},
		{"text for a number", "ShardCount: many", `f:1: ShardCount: "many": want a whole number`},
		{"number for a switch", "DatabaseMultiAz: 1", `f:1: DatabaseMultiAz: "1": want true or false`},
		{"list for text", "StackName: [a]", "f:1: StackName: a list: want text"},
		{"environment", "Environment: prod", `f:1: Environment: "prod": want production, staging or development; did you mean production?`},
		{"section", "Environments:\n  test: {}", `f:2: Environments.test: "test" is not an environment; want production, staging or development`},
		{"wrong in another section", "Environments:\n  staging:\n    ShardCuont: 2", "f:3: Environments.staging.ShardCuont: unknown key; did you mean ShardCount?"},
		{"wrong in the section", "Environments:\n  production:\n    ShardCount: 201", "f:3: Environments.production.ShardCount: 201 is outside 1 to 200"},
		{"long name", "DatabaseUsername: analytics_administrator", `f:1: DatabaseUsername: "analytics_administrator": has 23 characters; RDS takes at most 16`},
		{"our role", "DatabaseUsername: streamctl_owner", `f:1: DatabaseUsername: "streamctl_owner": is a reserved word; want another, such as analytics_admin`},
		{"record age", "StreamRetentionHours: 24\nProcessorMapping: {RecordAgeSeconds: 90000}", "f:2: ProcessorMapping.RecordAgeSeconds: 90000 is outside 60 to 86400 seconds"},
		{"connections", "ShardCount: 200", "f:1: ShardCount: 200 shards with 1 batches each need 402 database connections; db.t3.medium gives about 413"},
		{"warehouse", "WarehouseRetentionDays: 30", "f:1: WarehouseRetentionDays: 30: want 0 to keep all, or at least 38"},
		{"on demand", "StreamMode: ON_DEMAND\nShardCount: 2", "f:2: ShardCount: 2: an ON_DEMAND stream takes no ShardCount; remove it"},
		{"tag", "Tags: {\"aws:x\": y}", "f:1: Tags.aws:x: names that begin with aws: belong to AWS; want another name"},
		{"empty tag", "Tags: {x: \"\"}", `f:1: Tags.x: "": want a value of 1 to 256`},
		{"tag of AWS", "Tags: {\"AWS:x\": y}", "f:1: Tags.AWS:x: names that begin with aws: belong to AWS; want another name"},
		{"tag beside ours", "Tags: {project: mine}", `f:1: Tags.project: "mine": the name differs only in case from Project, which streamctl sets, and IAM rejects a role with both`},
		{"tag beside the environment", "Tags: {ENVIRONMENT: x}", "differs only in case from Environment, which streamctl sets"},
		{"tag beside the name", "Tags: {name: x}", "differs only in case from Name, which streamctl sets"},
		{"tags differ in case", "Tags: {Team: a}\nEnvironments: {staging: {Tags: {team: b}}}\nEnvironment: staging", `Tags.team: "b": the name differs only in case from Team, and IAM`},
		{"newline in a tag", "Tags: {Note: \"two\\nlines\"}", `f:1: Tags.Note: "two\nlines": the value contains "\n"; want only letters, digits, spaces and _.:/=+-@`},
		{"tab in a tag", "Tags: {Note: \"a\\tb\"}", `the value contains "\t"`},
		{"character in a tag", "Tags: {Note: a&b}", `f:1: Tags.Note: "a&b": the value contains "&"`},
		{"character in a tag's name", "Tags: {\"a,b\": c}", `f:1: Tags.a,b: the name contains ","`},
		{"long tag", "Tags: {x: " + strings.Repeat("é", 257) + "}", "want a value of 1 to 256 letters, digits, spaces and _.:/=+-@; it has 257"},
		{"long name of a tag", "Tags: {" + strings.Repeat("é", 129) + ": x}", "129 characters; want a name of 1 to 128"},
		{"log days", "LogRetentionDays: 31", "f:1: LogRetentionDays: 31: CloudWatch takes only 1 3 5 7"},
		{"replicas", "ReadReplicas: 6", "f:1: ReadReplicas: 6 is outside 0 to 5"},
		{"replicas without backups", "ReadReplicas: 1\nBackupRetentionDays: 0", "f:1: ReadReplicas: 1: RDS makes replicas of a database with backups only"},
		{"transitions too early", "ArchiveTransitionDays: {StandardIA: 7}", "f:1: ArchiveTransitionDays.StandardIA: 7: want 0 for never, or at least 30 days"},
		{"transitions too close", "ArchiveTransitionDays: {StandardIA: 30, GlacierIR: 45}", "GlacierIR: 45: want 0 for never, or at least 60 days"},
		{"replication without a key", "ArchiveReplicationBucketArn: arn:aws:s3:::copy", "ArchiveReplicationKeyArn: \"\": want both"},
		{"origin with a path", "CorsAllowedOrigins: ['https://www.example.com/app']", "want an origin such as https://www.example.com"},
		{"origin for all and one", "CorsAllowedOrigins: ['*', 'https://www.example.com']", "allows every origin; remove the other entries"},
		{"no list", "CorsAllowedOrigins: https://www.example.com", "want a list"},
		{"web ACL", "WebAcl: yes please", "want true, false, or a regional web ACL's ARN"},
		{"domain alone", "DomainName: events.example.com", "f: DomainCertificateArn: \"\": want the ARN of a certificate"},
		{"memory", "Functions: {ingest: {MemorySize: 64}}", "f:1: Functions.ingest.MemorySize: 64 is outside 128 to 10240 MiB"},
		{"longer than the gateway waits", "Functions: {ingest: {Timeout: 30}}", "f:1: Functions.ingest.Timeout: 30 is outside 15 to 28 seconds"},
		{"shorter than a query", "Functions: {query: {Timeout: 16}}", "f:1: Functions.query.Timeout: 16 is outside 17 to 900 seconds"},
		{"shorter than the database's patience", "Functions: {processor: {Timeout: 30}}", "f:1: Functions.processor.Timeout: 30 is outside 45 to 900 seconds"},
		{"unknown function", "Functions: {querry: {Timeout: 20}}", "f:1: Functions.querry: unknown key; did you mean query?"},
		{"too few for the shards", "ShardCount: 4\nFunctions: {processor: {ReservedConcurrency: 3}}", "need at least 4, or shards are not read"},
		{"provisioned archiver", "Functions: {archiver: {ProvisionedConcurrency: 1}}", "f:1: Functions.archiver.ProvisionedConcurrency: 1: no caller waits for a cold start of archiver; set it for ingest or query"},
		{"more ready than reserved", "Functions: {query: {ReservedConcurrency: 2, ProvisionedConcurrency: 3}}", "f:1: Functions.query.ProvisionedConcurrency: 3: want at most ReservedConcurrency, 2"},
		{"a metric's field", "Metrics:\n  - Name: revenue\n    Sum: amount", `f:3: Metrics[0].Sum: "amount": want a field such as properties.amount`},
		{"a metric's key", "Metrics:\n  - Name: revenue\n    Som: properties.a", "f:3: Metrics[0].Som: unknown key; did you mean Sum?"},
		{"a metric twice", "Metrics: [{Name: a}, {Name: a}]", `f:1: Metrics[1].Name: "a": given twice`},
		{"no list of metrics", "Metrics: revenue", `f:1: Metrics: "revenue": want a list of sections`},
		{"a metric that is text", "Metrics: [revenue]", `f:1: Metrics[0]: "revenue": want a section of keys`},
		{"too many metrics", "Metrics: [" + strings.Repeat("{Name: a}, ", 21) + "]", "f:1: Metrics: 21 metrics: want at most 20"},
		{"a reserved type", "EventTypes: [ok, \"a\\tb\"]", `f:1: EventTypes: "a\tb": must`},
		{"a reserved type twice", "EventTypes: [a, a]", `f:1: EventTypes: "a": given twice`},
		{"too many reserved types", "EventTypes: [" + strings.Repeat("a, ", 201) + "]", "EventTypes: 201 event types: want at most 200"},
		{"metrics too large", "Metrics: [" + largeMetrics() + "]", "f:1: Metrics: 3"},
		{"boundary", "PermissionsBoundaryArn: boundary", "want a policy's ARN"},
		{"not YAML", "a: b: c", "f: not YAML: mapping values are not allowed in this context"},
		{"a list", "- a", "f: line 1: want keys with values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(strings.NewReader(tt.text), "f", "")
			var invalid *config.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			if got := err.Error(); !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// largeMetrics declares nineteen metrics that exceed the available size.
func largeMetrics() string {
	var list []string
	for i := range 19 {
		list = append(list, fmt.Sprintf("{Name: metric_number_%d, EventType: %s, Sum: properties.amount, By: [properties.country]}", i, strings.Repeat("t", 80)))
	}
	return strings.Join(list, ", ")
}

func TestMetrics(t *testing.T) {
	v := load(t, "Metrics: [{Name: a}]\nEnvironments:\n  staging:\n    Metrics:\n      - {Name: revenue, EventType: purchase, Sum: properties.amount, By: [properties.country]}", config.Staging)
	want := []metric.Definition{{Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}}}
	if diff := cmp.Diff(want, v.Metrics); diff != "" {
		t.Error(diff)
	}
}

func TestPasswordsAreNeverShown(t *testing.T) {
	for _, password := range []string{"short", "has space in it", "quote\"d-secret", "at@sign-secret", "slash/secret", "back\\slash-secret", "nön-ascii-secret", strings.Repeat("x", 129)} {
		problem := config.CheckPassword(password)
		if problem == nil || strings.Contains(problem.Error(), password) {
			t.Errorf("%q: %v", password, problem)
		}
		_, err := config.Load(strings.NewReader("DatabasePassword: '"+strings.ReplaceAll(password, "'", "''")+"'"), "f", "")
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if err := config.CheckPassword("YourSecurePassword123!"); err != nil {
		t.Errorf("the brief's password: %v", err)
	}
	_, err := config.Load(strings.NewReader("DatabasePassword: [YourSecurePassword123!]"), "f", "")
	if err == nil || strings.Contains(err.Error(), "YourSecure") {
		t.Errorf("list: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("Environment: staging\nShardCount: 3\nEnvironments: {staging: {Tags: {a: b}}}")
	f.Add("&a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := config.Load(strings.NewReader(text), "f", ""); err != nil && err.Error() == "" {
			t.Error("an error says nothing")
		}
	})
}
