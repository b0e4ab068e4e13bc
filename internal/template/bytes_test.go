package template_test

import (
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// common are the settings that most teams add to production's defaults.
const common = `
AlarmEmail: oncall@example.com
AvailabilityZones: 3
CorsAllowedOrigins: [https://www.example.com]
Metrics: [{Name: revenue, EventType: purchase, Sum: properties.amount, By: [properties.currency]}]
PermissionsBoundaryArn: arn:aws:iam::123456789012:policy/boundary
`

// reserve is the size that the common settings leave to later changes, in bytes. SQL
// access took 639 of the earlier 3,000, for its role, two policies and their outputs, and
// the jobs of operators 235, for the permissions of maintenance.
const reserve = 1500

// TestBytesPerOption prints the bytes that each option adds to production's template.
// With the common settings together the template must fit into a request and leave the
// reserve.
func TestBytesPerOption(t *testing.T) {
	size := func(lines string) int { return len(render(t, variables(t, lines, config.Production))) }
	defaults := size("")
	t.Logf("%-28s %6d bytes", "production's defaults", defaults)
	for _, o := range everyoption.List() {
		t.Logf("%-28s %+6d", o.Name, size(o.Lines)-defaults)
	}
	t.Logf("%-28s %6d", "every option", size(everyoption.All()))
	got := size(common)
	t.Logf("%-28s %6d, %d below the limit", "the common settings", got, template.MaxBodyBytes-got)
	if got > template.MaxBodyBytes-reserve {
		t.Errorf("the common settings have %d bytes, want at most %d", got, template.MaxBodyBytes-reserve)
	}
}
