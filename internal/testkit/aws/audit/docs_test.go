package audit_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/testkit/aws/audit"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// having returns the resources of some types in all rendered templates, without
// the number of repeated ones.
func having(t *testing.T, types ...string) []string {
	t.Helper()
	out := map[string]bool{}
	for _, s := range subjects(t) {
		for id, r := range look(t, s.body, audit.Options{Values: options(t, "events").Values}).Resources {
			if slices.Contains(types, r.Type) {
				out[strings.TrimRight(id, "0123456789")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// compare reports resources without a line, and lines without a resource.
func compare(t *testing.T, name string, rendered, written []string) {
	t.Helper()
	for _, id := range rendered {
		if !slices.Contains(written, id) {
			t.Errorf("docs/%s does not cover %s", name, id)
		}
	}
	for i, id := range written {
		if !slices.Contains(rendered, id) {
			t.Errorf("docs/%s covers %s, which is in no template", name, id)
		}
		if slices.Contains(written[:i], id) {
			t.Errorf("docs/%s covers %s twice", name, id)
		}
	}
}

// TestOperations requires a section per alarm: its meaning, its urgency, where
// to look and what to do.
func TestOperations(t *testing.T) {
	text := document(t, "operations.md")
	var written []string
	for _, section := range strings.Split(text, "\n### ")[1:] {
		id, body, _ := strings.Cut(section, "\n")
		written = append(written, id)
		body, _, _ = strings.Cut(body, "\n## ")
		for _, part := range []string{"- **Means**: ", "- **Urgency**: ", "- **Look**: ", "- **Do**: "} {
			if strings.Count(body, part) != 1 {
				t.Errorf("docs/operations.md: %s has no %s", id, part)
			}
		}
	}
	var alarms []string
	for _, id := range having(t, "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm") {
		if alert.IsAlarm(id) { // all declared alerts share a section
			id = "AlertAlarm"
		}
		if !slices.Contains(alarms, id) {
			alarms = append(alarms, id)
		}
	}
	compare(t, "operations.md", alarms, written)
}

// rows returns the first cells of a section's table.
func rows(t *testing.T, text, heading string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("no section %s", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var out []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z0-9]+)` \\|").FindAllStringSubmatch(rest, -1) {
		out = append(out, row[1])
	}
	return out
}

// TestSecurity requires a row for each role, policy, key and security group.
func TestSecurity(t *testing.T) {
	text := document(t, "security.md")
	for _, section := range []struct {
		heading string
		types   []string
	}{
		{"Roles", []string{"AWS::IAM::Role"}},
		{"Policies", []string{"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::EC2::VPCEndpoint", "AWS::Lambda::Permission"}},
		{"Keys", []string{"AWS::KMS::Key", "AWS::KMS::Alias"}},
		{"Network paths", []string{"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"}},
	} {
		compare(t, "security.md", having(t, section.types...), rows(t, text, section.heading))
	}
}
