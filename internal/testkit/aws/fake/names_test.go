package fake

import (
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// TestNames compares generated names with those of real resources, from public issues.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		stack, id string
		limit     int
		want      string
	}{
		{"ChineseboostAnalyticsStack", "RainlyticsLogsBucket8DF4xxxx", 63, "ChineseboostAnalyticsStac-RainlyticsLogsBucket8DF4-"},
		{"ChineseboostAnalyticsStack", "RainlyticsSummariesJobFunction", 64, "ChineseboostAnalyticsStac-RainlyticsSummariesJobFun-"},
		{"ChineseboostAnalyticsStack", "RainlyticsSummariesJobLogs1C6CB09C", 512, "ChineseboostAnalyticsStack-RainlyticsSummariesJobLogs1C6CB09C-"},
		{"my-custom-stack-name", "my-long-long-long-long-long-logical-id-name", 36, "my-custom-s-my-long-lon-"},
		{"event-streaming-platform-development", "MaintenanceRole", 64, "event-streaming-platform-developmen-MaintenanceRole-"},
		{"a--b", "Role", 64, "a-b-Role-"},
	} {
		got := generated(cfn.Request{StackName: c.stack, LogicalID: c.id}, c.limit)
		if suffix, ok := strings.CutPrefix(got, c.want); !ok || !regexp.MustCompile(`^[A-Z2-7]{12}$`).MatchString(suffix) || len(got) > c.limit {
			t.Errorf("%s, %s, at most %d: %s, want %s and 12 characters", c.stack, c.id, c.limit, got, c.want)
		}
	}
}
