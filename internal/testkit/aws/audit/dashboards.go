package audit

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// searched matches the scope of a SEARCH: a namespace and its dimensions.
var searched = regexp.MustCompile(`\{([A-Za-z/0-9]+)((?:,[A-Za-z]+)*)\}`)

// dashboards checks each body like CloudWatch: it must be JSON, each metric
// widget needs a region, and its metrics must exist.
func dashboards(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::CloudWatch::Dashboard") {
		var body struct {
			Widgets []struct {
				Type       string
				Properties map[string]any
			}
		}
		if err := json.Unmarshal([]byte(text(d.Properties["DashboardBody"])), &body); err != nil {
			out.add(d.ID, "the body is not JSON: %v", err)
			continue
		}
		if len(body.Widgets) == 0 {
			out.add(d.ID, "has no widgets")
		}
		for _, w := range body.Widgets {
			if w.Type != "metric" {
				continue
			}
			title := text(w.Properties["title"])
			if text(w.Properties["region"]) == "" {
				out.add(d.ID, "%s: a metric widget needs a region", title)
			}
			for _, m := range shown(w.Properties["metrics"]) {
				if why := v.unknown(m); why != "" {
					out.add(d.ID, "%s: %s", title, why)
				}
			}
			for _, expression := range expressions(w.Properties["metrics"]) {
				for _, s := range searched.FindAllStringSubmatch(expression, -1) {
					if !v.searchable(s[1], s[2]) {
						out.add(d.ID, "%s: a search finds nothing: %s", title, s[0])
					}
				}
			}
		}
	}
	return out
}

func (v *View) searchable(namespace, names string) bool {
	wanted := strings.FieldsFunc(names, func(r rune) bool { return r == ',' })
	slices.Sort(wanted)
	return slices.ContainsFunc(v.published(namespace), func(s series) bool { return slices.Equal(s.dimensions, wanted) })
}

// shown returns a widget's metrics. A row may repeat the previous one: "."
// repeats the entry at the same position, "..." all entries before the ones
// that follow.
func shown(rows any) []metric {
	var out []metric
	var last []string
	for _, row := range list(rows) {
		var now []string
		for _, item := range list(row) {
			if s, ok := item.(string); ok {
				now = append(now, s)
			}
		}
		if len(now) == 0 {
			continue
		}
		if now[0] == "..." && len(last) >= len(now)-1 {
			now = append(slices.Clone(last[:len(last)-len(now)+1]), now[1:]...)
		}
		for i, item := range now {
			if item == "." && i < len(last) {
				now[i] = last[i]
			}
		}
		last = now
		m := metric{dimensions: map[string]string{}}
		for i := 2; i+1 < len(now); i += 2 {
			m.dimensions[now[i]] = now[i+1]
		}
		if len(now) > 1 {
			m.namespace, m.name = now[0], now[1]
		}
		out = append(out, m)
	}
	return out
}

func expressions(rows any) []string {
	var out []string
	for _, row := range list(rows) {
		for _, item := range list(row) {
			if e := at(item, "expression"); e != nil {
				out = append(out, text(e))
			}
		}
	}
	return out
}
