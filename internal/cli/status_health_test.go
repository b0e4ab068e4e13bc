package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestEveryAlarmIsShown stages each alarm of a template with every option: status lists it
// first, with its meaning and the first command of its runbook.
func TestEveryAlarmIsShown(t *testing.T) {
	p := startPlatform(t, awsfake.Options{}, everyoption.All())
	staged := 0
	for _, r := range p.Existing() {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		staged++
		book, ok := health.RunbookOf(r.LogicalID)
		if !ok {
			t.Errorf("%s has no runbook", r.LogicalID)
		}
		p.SetAlarm(r.LogicalID, "ALARM", "Threshold Crossed: staged")
		code, out, said := p.run(t.Context(), t, "status")
		lines := strings.Split(out, "\n")
		if code != 0 || len(lines) < 5 || !strings.HasPrefix(lines[0], "ALARM  "+r.LogicalID+" since ") || lines[1] != "  means: "+book.Meaning || lines[2] != "  first: "+book.Command ||
			lines[3] != "  reason: Threshold Crossed: staged" || !strings.HasPrefix(lines[4], "shown  CREATE_COMPLETE") {
			t.Errorf("%s: %d\n%s%s", r.LogicalID, code, out, said)
		}
		p.SetAlarm(r.LogicalID, "OK", "")
	}
	if staged < 28 {
		t.Errorf("%d alarms", staged)
	}
	p.SetAlarm("DatabaseCpuAlarm", "ALARM", "")
	p.SetAlarm("StreamLagAlarm", "INSUFFICIENT_DATA", "")
	_, out, _ := p.run(t.Context(), t, "status", "-o", "json")
	var result struct{ Health health.Report }
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	alarms := result.Health.Alarms
	if alarms.Total != staged || len(alarms.Firing) != 1 || alarms.Firing[0].ID != "DatabaseCpuAlarm" || len(alarms.NoData) != 1 || alarms.NoData[0] != "StreamLagAlarm" {
		t.Errorf("%+v", alarms)
	}
}

// valuesOf returns the values of a status by id.
func valuesOf(t *testing.T, out string) (map[string]health.Value, health.Report) {
	t.Helper()
	var result struct{ Health health.Report }
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	byID := map[string]health.Value{}
	for _, v := range result.Health.Metrics {
		byID[v.ID] = v
	}
	return byID, result.Health
}

func constant(x float64) func(time.Time) (float64, bool) {
	return func(time.Time) (float64, bool) { return x, true }
}

// TestStatusShowsValues has values on both sides of their thresholds.
func TestStatusShowsValues(t *testing.T) {
	p := startPlatform(t, awsfake.Options{}, "CacheNodes: 2\n", "LANG=en_US.UTF-8", "LC_ALL=", "TERM=xterm")
	id := func(logical string) string {
		physical, ok := p.PhysicalID("shown", logical)
		if !ok {
			t.Fatalf("no %s", logical)
		}
		return physical
	}
	p.SetMetric("AWS/ApiGateway", "Count", "shown", constant(10))
	p.SetMetric("AWS/ApiGateway", "Latency", "shown", constant(2500))
	p.SetMetric("AWS/RDS", "CPUUtilization", id("Database"), constant(12.5))
	p.SetMetric("AWS/RDS", "FreeStorageSpace", id("Database"), constant(1e9))
	p.SetMetric("AWS/Lambda", "Duration", id("ProcessorFunction"), constant(59_000))
	p.SetMetric("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", id("ProcessorMapping"), constant(1))
	p.SetMetric("AWS/ElastiCache", "EngineCPUUtilization", id("Cache")+"-001", constant(10))
	p.SetMetric("AWS/ElastiCache", "EngineCPUUtilization", id("Cache")+"-002", constant(95))
	p.SetMetric(contract.MetricNamespace, contract.MetricCacheHits, "shown", constant(1))
	p.SetMetric(contract.MetricNamespace, contract.MetricCacheMisses, "shown", constant(3))
	p.SetMetric(contract.MetricNamespace, contract.MetricHorizon, "shown", constant(7))
	p.SetMetric(contract.MetricNamespace, contract.MetricSchema, "shown", constant(9))
	p.SetMetric(contract.MetricNamespace, contract.MetricUnreconciled, "shown", constant(0))
	_, out, said := p.run(t.Context(), t, "status", "-o", "json")
	values, report := valuesOf(t, out)
	for id, want := range map[string]struct {
		value  float64
		beyond bool
	}{
		"api.requests": {600, false}, "api.latency": {2500, true}, "database.cpu": {12.5, false}, "database.storage": {1e9, true},
		"function.processor.duration": {59_000, true}, "events.givenUp": {60, true}, "cache.cpu": {95, true}, "cache.hits": {25, true},
	} {
		v := values[id]
		if v.Value == nil || *v.Value != want.value || v.Beyond != want.beyond || len(v.Minutes) != 60 {
			t.Errorf("%s is %+v, want %+v\n%s", id, v, want, said)
		}
	}
	for _, id := range []string{"database.connections", "events.accepted", "function.query.errors"} {
		if v := values[id]; v.Value != nil || v.Beyond || v.Unknown != "" {
			t.Errorf("without data: %+v", v)
		}
	}
	if *report.SchemaVersion != 9 || *report.PreparedPartitions != 7 || *report.UnreconciledHours != 0 || report.Jobs != nil {
		t.Errorf("%+v", report)
	}
	for _, ascii := range []bool{false, true} {
		if ascii {
			t.Setenv("LANG", "C")
		}
		_, out, _ = p.run(t.Context(), t, "status")
		full := "████████████████████"
		if ascii {
			full = "####################"
		}
		for _, want := range []string{
			"\nAPI\n  requests                       600                                " + full + "\n",
			"\n! latency, slowest 1 %           2.50 s, threshold 2.00 s           " + full + "\n",
			"\n! duration, longest              59.00 s of 1m0s                    " + full + "\n",
			"\n  connections                    no data\n", "\n  prepared partitions            7 days  ", "\nalarms: 0 of ", "\nalarm subscribers: 0 confirmed, 0 not confirmed\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
}

// TestStatusWithoutCloudWatch rejects or throttles the calls to CloudWatch: the stack is
// shown, and the health is unknown.
func TestStatusWithoutCloudWatch(t *testing.T) {
	p := startPlatform(t, awsfake.Options{}, "")
	p.FailCall("cloudwatch", "*", http.StatusForbidden, "AccessDenied", "not authorized to perform this", 1000)
	code, out, said := p.run(t.Context(), t, "status")
	if code != 0 || !strings.HasPrefix(out, "alarms: unknown: read CloudWatch alarms: AccessDenied: not authorized to perform this\nshown  CREATE_COMPLETE") ||
		!strings.Contains(out, "\nhealth: unknown: read CloudWatch metrics: AccessDenied: not authorized to perform this\n") || strings.Contains(out, "of 28 fire") {
		t.Errorf("denied: %d\n%s%s", code, out, said)
	}
	_, out, _ = p.run(t.Context(), t, "status", "-o", "json")
	values, report := valuesOf(t, out)
	if v := values["api.requests"]; v.Value != nil || v.Unknown == "" || report.Alarms.Unknown == "" || report.SchemaVersion != nil {
		t.Errorf("denied: %+v", v)
	}
	p.ResetCalls()
	p.FailCall("cloudwatch", "DescribeAlarms", http.StatusForbidden, "AccessDenied", "no", 1000)
	if _, out, _ := p.run(t.Context(), t, "status"); !strings.HasPrefix(out, "alarms: unknown: ") || !strings.Contains(out, "\n  requests ") {
		t.Errorf("alarms denied:\n%s", out)
	}
	p.ResetCalls()
	p.Throttle("cloudwatch", "GetMetricData", 2)
	p.Throttle("cloudwatch", "DescribeAlarms", 1)
	if _, out, _ := p.run(t.Context(), t, "status"); strings.Contains(out, "unknown") || !strings.Contains(out, "alarms: 0 of ") {
		t.Errorf("throttled for a moment:\n%s", out)
	}
}

// TestStatusKeepsRefreshing prints the status again and again until the interrupt, which
// is no error.
func TestStatusKeepsRefreshing(t *testing.T) {
	p := startPlatform(t, awsfake.Options{}, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan string)
	go func() {
		code, out, said := p.run(ctx, t, "status", "--follow", "--every", "1s")
		if code != 0 {
			t.Errorf("%d %s", code, said)
		}
		done <- out
	}()
	asked := func() (n int) {
		for _, c := range p.Calls() {
			if c.Action == "DescribeAlarms" {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); asked() < 3 && time.Now().Before(end); {
		if err := pause.For(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if out := <-done; strings.Count(out, "shown  CREATE_COMPLETE") < 2 {
		t.Errorf("not refreshed:\n%s", out)
	}
	if code, _, said := p.run(t.Context(), t, "status", "--follow"); code != 0 {
		t.Errorf("without a terminal: %d %s", code, said)
	}
}
