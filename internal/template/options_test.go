package template_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/testkit/golden"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// regions are those that the options are checked for.
var regions = []string{"us-east-1", "eu-central-1", "ap-southeast-2"}

// option switches something on that is off in production by default, or the
// other way round.
type option struct {
	name, lines string
	alone       bool // it can't be on together with all the others
}

func options() []option {
	return []option{
		{name: "account-role-existing", lines: "ApiGatewayAccountRole: existing", alone: true},
		{name: "alarm-email", lines: "AlarmEmail: oncall@example.com"},
		{name: "archive-replication", lines: "ArchiveReplicationBucketArn: arn:aws:s3:::archive-copy\nArchiveReplicationKeyArn: arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"},
		{name: "archive-transitions-off", lines: "ArchiveTransitionDays: {StandardIA: 0, GlacierIR: 0}", alone: true},
		{name: "archive-transitions-deep", lines: "ArchiveTransitionDays: {DeepArchive: 365}"},
		{name: "cache-one-node", lines: "CacheNodes: 1", alone: true},
		{name: "cors-one-origin", lines: "CorsAllowedOrigins: ['https://www.example.com']", alone: true},
		{name: "cors-two-origins", lines: "CorsAllowedOrigins: ['https://www.example.com', 'https://app.example.com']"},
		{name: "domain", lines: "DomainName: events.example.com\nDomainCertificateArn: arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555\nDomainHostedZoneId: Z0123456789ABCDEFGHIJ"},
		{name: "flow-logs", lines: "FlowLogs: true"},
		{name: "functions", lines: "Functions:\n  processor: {MemorySize: 1024, Timeout: 120, ReservedConcurrency: 4}\n  ingest: {MemorySize: 256}"},
		{name: "functions-ready", lines: "Functions:\n  ingest: {ProvisionedConcurrency: 2}\n  query: {ReservedConcurrency: 10, ProvisionedConcurrency: 1}", alone: true},
		{name: "object-lock", lines: "ObjectLockDays: 30"},
		{name: "on-demand", lines: "StreamMode: ON_DEMAND", alone: true},
		{name: "permissions-boundary", lines: "PermissionsBoundaryArn: arn:aws:iam::123456789012:policy/boundary"},
		{name: "read-replicas", lines: "ReadReplicas: 2"},
		{name: "three-zones", lines: "AvailabilityZones: 3"},
		{name: "web-acl", lines: "WebAcl: true"},
		{name: "web-acl-existing", lines: "WebAcl: arn:aws:wafv2:us-east-1:123456789012:regional/webacl/ours/11111111-2222-3333-4444-555555555555", alone: true},
	}
}

// everything is every option on that can be on at once.
func everything() string {
	var lines []string
	for _, o := range options() {
		if !o.alone {
			lines = append(lines, o.lines)
		}
	}
	return strings.Join(lines, "\n")
}

func variables(t *testing.T, lines, environment string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(lines), "option.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// parts reads a rendered template as its sections' entries: Resources.Api.
func parts(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	root := doc.Content[0].Content
	for i := 0; i < len(root); i += 2 {
		for j := 0; j+1 < len(root[i+1].Content); j += 2 {
			text, err := yaml.Marshal(root[i+1].Content[j+1])
			if err != nil {
				t.Fatal(err)
			}
			out[root[i].Value+"."+root[i+1].Content[j].Value] = string(text)
		}
	}
	return out
}

// TestOptionGolden keeps, for each option, what it adds to production's
// template, changes in it, and takes away.
func TestOptionGolden(t *testing.T) {
	off := parts(t, render(t, config.Default(config.Production)))
	for _, o := range options() {
		t.Run(o.name, func(t *testing.T) {
			on := parts(t, render(t, variables(t, o.lines, config.Production)))
			var text strings.Builder
			fmt.Fprintf(&text, "# %s\n", strings.ReplaceAll(o.lines, "\n", "\n# "))
			for _, name := range slices.Sorted(maps.Keys(on)) {
				switch was, there := off[name]; {
				case !there:
					fmt.Fprintf(&text, "\nadded %s\n%s", name, on[name])
				case !reflect.DeepEqual(was, on[name]):
					fmt.Fprintf(&text, "\nchanged %s\n%s", name, on[name])
				}
			}
			for _, name := range slices.Sorted(maps.Keys(off)) {
				if _, there := on[name]; !there {
					fmt.Fprintf(&text, "\nremoved %s\n", name)
				}
			}
			if strings.Count(text.String(), "\n") < 3+strings.Count(o.lines, "\n") {
				t.Errorf("the option changes nothing")
			}
			golden.Equal(t, filepath.Join("..", "..", "testdata", "golden", "options", o.name+".txt"), []byte(text.String()))
		})
	}
}

// TestOptionLint has cfn-lint judge all options at once, and each of the others
// alone.
func TestOptionLint(t *testing.T) {
	lint := must.Have(t, "cfn-lint", "pip install cfn-lint")
	dir := t.TempDir()
	args := append([]string{"-e", "-x", "E3012:strict=true", "-f", "parseable", "-r"}, regions...)
	args = append(args, "-t")
	write := func(name, lines string) {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, render(t, variables(t, lines, config.Production)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	write("everything", everything())
	for _, o := range options() {
		if o.alone {
			write(o.name, o.lines)
		}
	}
	if out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
