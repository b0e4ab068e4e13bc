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

// regions are those that the templates are checked for.
var regions = []string{"us-east-1", "eu-central-1", "ap-southeast-2"}

// option switches something on that is off in production by default, or the
// other way round.
type option struct{ name, lines string }

func options() []option {
	return []option{
		{"account-role-existing", "ApiGatewayAccountRole: existing"},
		{"alarm-email", "AlarmEmail: oncall@example.com"},
		{"archive-replication", "ArchiveReplicationBucketArn: arn:aws:s3:::archive-copy\nArchiveReplicationKeyArn: arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"},
		{"archive-transitions-off", "ArchiveTransitionDays: {StandardIA: 0, GlacierIR: 0}"},
		{"archive-transitions-deep", "ArchiveTransitionDays: {DeepArchive: 365}"},
		{"cache-one-node", "CacheNodes: 1"},
		{"cors-one-origin", "CorsAllowedOrigins: ['https://www.example.com']"},
		{"cors-two-origins", "CorsAllowedOrigins: ['https://www.example.com', 'https://app.example.com']"},
		{"domain", "DomainName: events.example.com\nDomainCertificateArn: arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555\nDomainHostedZoneId: Z0123456789ABCDEFGHIJ"},
		{"flow-logs", "FlowLogs: true"},
		{"functions", "Functions:\n  processor: {MemorySize: 1024, Timeout: 120, ReservedConcurrency: 4}\n  ingest: {MemorySize: 256}"},
		{"object-lock", "ObjectLockDays: 30"},
		{"on-demand", "StreamMode: ON_DEMAND"},
		{"permissions-boundary", "PermissionsBoundaryArn: arn:aws:iam::123456789012:policy/boundary"},
		{"read-replicas", "ReadReplicas: 2"},
		{"three-zones", "AvailabilityZones: 3"},
		{"web-acl", "WebAcl: true"},
		{"web-acl-existing", "WebAcl: arn:aws:wafv2:us-east-1:123456789012:regional/webacl/ours/11111111-2222-3333-4444-555555555555"},
	}
}

// everything is every option on that can be on at once.
func everything() string {
	var lines []string
	for _, o := range options() {
		switch o.name {
		case "account-role-existing", "archive-transitions-off", "cache-one-node", "cors-one-origin", "on-demand", "web-acl-existing":
		default:
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

// TestOptionLint has cfn-lint judge every option alone and all of them at once.
func TestOptionLint(t *testing.T) {
	lint := must.Have(t, "cfn-lint", "pip install cfn-lint")
	dir := t.TempDir()
	args := append([]string{"-e", "-x", "E3012:strict=true", "-f", "parseable", "-r"}, regions...)
	args = append(args, "-t")
	write := func(name, lines, environment string) {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, render(t, variables(t, lines, environment)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	for _, o := range options() {
		write(o.name, o.lines, config.Production)
	}
	for _, environment := range environments {
		write("everything-"+environment, everything(), environment)
	}
	if out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
