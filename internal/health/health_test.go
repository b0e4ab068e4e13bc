package health_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// resources returns the resources of a template, whose physical ids are their logical ids.
func resources(t *testing.T, lines, environment string) []health.Resource {
	t.Helper()
	v, err := config.Load(strings.NewReader(lines), "variables.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	built, err := template.Build(v, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.YAML()
	if err != nil {
		t.Fatal(err)
	}
	byID, err := stacktemplate.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out []health.Resource
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		out = append(out, health.Resource{LogicalID: id, Type: byID[id].Type, PhysicalID: id, Properties: byID[id].Properties})
	}
	return out
}

// TestRunbooks compares the table with the alarms of the template and with the page.
func TestRunbooks(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for id := range health.PlatformOf("s", resources(t, everyoption.All(), config.Production)).Alarms {
		book, ok := health.RunbookOf(id)
		if !ok {
			t.Errorf("%s has no runbook", id)
		}
		used[book.Alarm] = true
	}
	for _, book := range health.Runbooks() {
		if !used[book.Alarm] {
			t.Errorf("%s is not an alarm of the template", book.Alarm)
		}
		_, section, ok := strings.Cut(string(page), "\n### "+book.Alarm+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		if !ok || !strings.Contains(section, "- **Means**: "+book.Meaning) || !strings.Contains(section, "\n- **First command**: `"+book.Command+"`\n") {
			t.Errorf("docs/operations.md describes %s differently", book.Alarm)
		}
	}
	if sections := regexp.MustCompile(`(?m)^### \w+Alarm$`).FindAll(page, -1); len(sections) != len(health.Runbooks()) {
		t.Errorf("docs/operations.md has %d alarms, the table %d", len(sections), len(health.Runbooks()))
	}
}

// TestPlatformOfTemplates finds all parts, and every alarm has a metric that it marks.
func TestPlatformOfTemplates(t *testing.T) {
	p := health.PlatformOf("s", resources(t, everyoption.All(), config.Production))
	if !p.API || p.Stream == "" || p.Database == "" || len(p.Replicas) == 0 || len(p.CacheNodes) < 2 || p.ProcessorMapping == "" || len(p.Functions) != 6 {
		t.Errorf("%+v", p)
	}
	for _, f := range p.Functions {
		if f.Timeout == 0 {
			t.Errorf("the timeout of %s is unknown", f.Name)
		}
	}
	for _, environment := range []string{config.Production, config.Staging, config.Development} {
		p := health.PlatformOf("s", resources(t, "", environment))
		marked, ids := map[string]bool{"StreamLossAlarm": true}, map[string]bool{} // StreamLagAlarm is on the same metric
		for _, m := range health.Metrics(p) {
			marked[m.Alarm] = true
			if ids[m.ID] {
				t.Errorf("%s twice", m.ID)
			}
			ids[m.ID] = true
			if _, ok := p.Alarms[m.Alarm]; m.Alarm != "" && !ok {
				t.Errorf("%s: %s has no alarm %s", environment, m.ID, m.Alarm)
			}
		}
		for id := range p.Alarms {
			if !marked[id] {
				t.Errorf("%s: no metric of %s", environment, id)
			}
		}
	}
}

func TestValues(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 30, 0, time.UTC)
	last := now.Truncate(time.Minute)
	states := map[string]health.State{"a": {State: "OK", Threshold: 10, Enabled: true}, "b": {State: "ALARM", Threshold: 3, Below: true}}
	alarms := health.NewAlarms(map[string]string{"A": "a", "B": "b", "C": "c"}, states)
	if len(alarms.Firing) != 1 || len(alarms.Missing) != 1 || alarms.Missing[0] != "C" || len(alarms.Off) != 1 || alarms.Firing[0].Command == "" {
		t.Errorf("%+v", alarms)
	}
	q := func(name, statistic string) health.Query { return health.Query{Name: name, Statistic: statistic} }
	known := map[string]map[time.Time]float64{
		"x": {last: 4, last.Add(-7 * time.Minute): 40}, "y": {last.Add(-time.Minute): 2}, "old": {last.Add(-time.Hour): 1},
	}
	for name, tt := range map[string]struct {
		m      health.Metric
		value  float64 // -1 is none
		beyond bool
	}{
		"sum of the hour":        {health.Metric{Unit: health.Count, Queries: []health.Query{q("x", "Sum")}, Alarm: "A"}, 44, false},
		"a count without data":   {health.Metric{Unit: health.Count, Queries: []health.Query{q("none", "Sum")}}, -1, false},
		"before the window":      {health.Metric{Unit: health.Count, Queries: []health.Query{q("old", "Sum")}}, -1, false},
		"newest level":           {health.Metric{Unit: health.Percent, Queries: []health.Query{q("x", "Maximum")}, Alarm: "A"}, 4, false},
		"below":                  {health.Metric{Unit: health.Days, Queries: []health.Query{q("y", "Minimum")}, Alarm: "B"}, 2, true},
		"a level without data":   {health.Metric{Unit: health.Days, Queries: []health.Query{q("none", "Minimum")}, Alarm: "B"}, -1, false},
		"derived from its state": {health.Metric{Unit: health.Count, Queries: []health.Query{q("x", "Sum")}, Alarm: "B", Derived: true}, 44, true},
		"ratio of the hour":      {health.Metric{Unit: health.Percent, Queries: []health.Query{q("x", "Sum"), q("y", "Sum")}, Combine: health.RatioOf}, 100 * 44.0 / 46, false},
		"ratio of nothing":       {health.Metric{Unit: health.Percent, Queries: []health.Query{q("none", "Sum"), q("none", "Sum")}, Combine: health.RatioOf}, -1, false},
		"largest":                {health.Metric{Unit: health.Percent, Queries: []health.Query{q("x", "Maximum"), q("none", "Maximum")}, Combine: health.LargestOf}, 4, false},
		"near the limit":         {health.Metric{Unit: health.Milliseconds, Queries: []health.Query{q("x", "Maximum")}, Limit: 4.5}, 4, true},
	} {
		r := health.NewReport([]health.Metric{tt.m}, func(q health.Query) health.Series { return health.Series{Values: known[q.Name]} }, alarms, now)
		v := r.Metrics[0]
		if (v.Value == nil) != (tt.value == -1) || v.Value != nil && *v.Value != tt.value || v.Beyond != tt.beyond {
			t.Errorf("%s: %+v", name, v)
		}
	}
	r := health.NewReport([]health.Metric{{Unit: health.Count, Queries: []health.Query{q("x", "Sum")}, Alarm: "A"}}, func(health.Query) health.Series { return health.Series{Unknown: "denied"} }, alarms, now)
	if v := r.Metrics[0]; v.Value != nil || v.Unknown != "denied" || v.Beyond {
		t.Errorf("%+v", v)
	}
}
