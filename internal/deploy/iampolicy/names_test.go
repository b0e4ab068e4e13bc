package iampolicy

import (
	"slices"
	"strings"
	"testing"
)

// TestGeneratedPrefix compares the rule with names of real resources, from public issues:
// three of one stack, and one whose logical id is short.
func TestGeneratedPrefix(t *testing.T) {
	for _, c := range []struct {
		stack, id string
		limit     int
		want      string
	}{
		{"ChineseboostAnalyticsStack", "RainlyticsLogsBucket8DF4xxxx", 63, "ChineseboostAnalyticsStac-RainlyticsLogsBucket8DF4"},
		{"ChineseboostAnalyticsStack", "RainlyticsSummariesJobFunction", 64, "ChineseboostAnalyticsStac-RainlyticsSummariesJobFun"},
		{"ChineseboostAnalyticsStack", "RainlyticsSummariesJobLogs1C6CB09C", 512, "ChineseboostAnalyticsStack-RainlyticsSummariesJobLogs1C6CB09C"},
		{"content-author-apps-production-content-syslog", "Function", 64, "content-author-apps-production-content-sys-Function"},
		{"content-author-apps-production-content-syslog", "Role", 64, "content-author-apps-production-content-syslog-Role"},
		{"a--b", "Role", 64, "a-b-Role"},
		{"short", strings.Repeat("x", 80), 64, "short-" + strings.Repeat("x", 45)},
		{"event-streaming-platform-development", "MaintenanceRole", 64, "event-streaming-platform-developmen-MaintenanceRole"},
	} {
		if got := generatedPrefix(c.stack, c.id, c.limit); got != c.want {
			t.Errorf("%s, %s, at most %d: %s, want %s", c.stack, c.id, c.limit, got, c.want)
		}
	}
}

// TestPatternsMatchShortenedNames checks that the patterns match the names of every role,
// policy and bucket, with a stack name of each length.
func TestPatternsMatchShortenedNames(t *testing.T) {
	for _, stack := range []string{"events", "a--b", "event-streaming-platform-development", longestName} {
		s := scope(stack)
		for _, r := range templates(t) {
			byType := map[string][]string{
				typeRole: s.names("role/", typeRole, r.types), typeManagedPolicy: s.names("policy/", typeManagedPolicy, r.types), typeBucket: s.buckets(r.types),
			}
			short := 0
			for id, kind := range r.types {
				patterns, ok := byType[kind]
				if !ok {
					continue
				}
				name := generatedPrefix(stack, id, nameLimits[kind]) + "-UjecjFhpdr1d"
				arn := s.arn("iam", "", s.Account, map[string]string{typeRole: "role/", typeManagedPolicy: "policy/"}[kind]+name)
				if kind == typeBucket {
					arn = s.arn("s3", "", "", strings.ToLower(name))
				}
				if !slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(arn, strings.TrimSuffix(p, "*")) }) {
					t.Errorf("%s: no pattern matches %s", r.name, arn)
				}
				if len(name) > nameLimits[kind] {
					t.Errorf("%s: %s has %d characters", r.name, name, len(name))
				}
				if !strings.HasPrefix(name, stack+"-"+id) {
					short++
				}
			}
			if strings.HasSuffix(r.name, "development, no options") {
				t.Logf("%s, stack name of %d characters: %d shortened names", r.name, len(stack), short)
			}
		}
	}
}
