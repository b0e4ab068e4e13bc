package template_test

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

func deployedAs(t *testing.T, v config.Variables) template.Deployed {
	t.Helper()
	return template.Deployed{Body: render(t, v), Parameters: template.Values(v)}
}

func TestCopies(t *testing.T) {
	for lines, want := range map[string][]string{"": nil, "ReadReplicas: 2": {"DatabaseReplica1", "DatabaseReplica2"}} {
		got, err := template.ReadReplicas(render(t, variables(t, lines, "")))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", lines, got, err)
		}
	}
}

func TestCheckUpdate(t *testing.T) {
	for _, tt := range []struct{ name, before, after, variable, what string }{
		{"nothing", "", "", "", ""},
		{"shards doubled", "ShardCount: 2", "ShardCount: 4", "", ""},
		{"shards halved", "ShardCount: 5", "ShardCount: 3", "", ""},
		{"too many shards", "ShardCount: 2", "ShardCount: 8", "ShardCount", "deploy 4 first"},
		{"too few shards", "ShardCount: 8", "ShardCount: 3", "ShardCount", "deploy 4 first"},
		{"on demand", "ShardCount: 2", "StreamMode: ON_DEMAND", "", ""},
		{"storage grows", "DatabaseStorageGiB: 50", "DatabaseStorageGiB: 100", "", ""},
		{"storage shrinks", "DatabaseStorageGiB: 100", "DatabaseStorageGiB: 50", "DatabaseStorageGiB", "50 instead of the stack's 100: storage never shrinks"},
		{"newer engine", "DatabaseEngineVersion: \"16\"", "DatabaseEngineVersion: \"17\"", "", ""},
		{"older engine", "DatabaseEngineVersion: \"17\"", "DatabaseEngineVersion: \"16\"", "DatabaseEngineVersion", "can't be downgraded"},
		{"another block", "VpcCidr: 10.0.0.0/16", "VpcCidr: 10.1.0.0/16", "VpcCidr", "the database and the cache"},
		{"another master", "DatabaseUsername: analytics_admin", "DatabaseUsername: another", "DatabaseUsername", "replaces the database"},
		{"another environment", "Environment: production", "Environment: staging", "Environment", "choose another StackName"},
		{"lock switched on", "", "ObjectLockDays: 30", "ObjectLockDays", "replace the archive bucket"},
		{"another web ACL", "WebAcl: true", "WebAcl: arn:aws:wafv2:us-east-1:123456789012:regional/webacl/ours/1", "WebAcl", "deploy with false first"},
		{"a web ACL for the first time", "", "WebAcl: true", "", ""},
		{"lock switched off", "ObjectLockDays: 30", "", "ObjectLockDays", "replace the archive bucket"},
		{"lock lengthened", "ObjectLockDays: 30", "ObjectLockDays: 60", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refusals, err := template.CheckUpdate(deployedAs(t, variables(t, tt.before, "")), deployedAs(t, variables(t, tt.after, "")))
			if err != nil {
				t.Fatal(err)
			}
			if tt.variable == "" {
				if len(refusals) != 0 {
					t.Errorf("refused: %v", refusals)
				}
				return
			}
			if len(refusals) != 1 || refusals[0].Variable != tt.variable || !strings.Contains(refusals[0].What, tt.what) {
				t.Errorf("got %v, want %s: %s", refusals, tt.variable, tt.what)
			}
		})
	}
	current := deployedAs(t, config.Default(config.Production))
	supported := template.Deployed{Body: bytes.ReplaceAll(current.Body, []byte("extended-support-disabled"), []byte("extended-support")), Parameters: current.Parameters}
	if refusals, err := template.CheckUpdate(current, supported); err != nil || len(refusals) != 1 || refusals[0].Variable != "EngineLifecycleSupport" {
		t.Errorf("extended support: %v, %v", refusals, err)
	}
	built := build(t, config.Default(config.Production))
	asJSON, err := built.JSON()
	if err != nil {
		t.Fatal(err)
	}
	v := config.Default(config.Production)
	v.DatabaseStorageGiB = 20
	refusals, err := template.CheckUpdate(template.Deployed{Body: asJSON}, deployedAs(t, v))
	if err != nil || len(refusals) != 1 {
		t.Errorf("a stack made from JSON: %v, %v", refusals, err)
	}
	if _, err := template.CheckUpdate(template.Deployed{Body: []byte(": no template")}, deployedAs(t, v)); err == nil {
		t.Error("a broken template passes")
	}
}

// TestUpdatesDocument requires one row for every variable.
func TestUpdatesDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/updates.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z0-9]+) \| .+ \|$`).FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = true
	}
	fields := reflect.TypeFor[config.Variables]()
	for i := range fields.NumField() {
		name := fields.Field(i).Tag.Get("yaml")
		if !rows[name] {
			t.Errorf("docs/updates.md has no row for %s", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("docs/updates.md has a row for %s, which is not a variable", name)
	}
}
