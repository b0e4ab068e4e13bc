package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/health/stackmetrics"
)

const (
	// typicalMetrics is the number of metrics of a stack in production.
	typicalMetrics = 70
	// healthTime bounds the calls to CloudWatch: the stack's status must not wait for
	// their retries.
	healthTime = 30 * time.Second
)

// stackHealth reads the health of the platform's parts that the stack has; nil without one.
func stackHealth(ctx context.Context, a *App, op *deploy.Operator, s deploy.Inspection) *health.Report {
	p := health.PlatformOf(s.Stack.Name, withProperties(s))
	if len(health.Metrics(p)) == 0 && len(p.Alarms) == 0 {
		return nil
	}
	late := fmt.Errorf("no answer of CloudWatch within %s", healthTime)
	bounded, cancel := context.WithTimeoutCause(ctx, healthTime, late)
	defer cancel()
	r := stackmetrics.Read(bounded, op.CloudWatch, p, time.Now())
	if errors.Is(context.Cause(bounded), late) {
		a.notef("%v", late)
	}
	return &r
}

// printAlarms prints the alarms that fire, and whether the others are known.
func printAlarms(a *App, r health.Report) {
	for _, t := range r.Troubles {
		a.printf("FAULT  %s\n", ui.Line(t))
	}
	if r.Alarms == nil {
		return
	}
	if r.Alarms.Unknown != "" {
		a.printf("alarms: unknown: %s\n", ui.Line(r.Alarms.Unknown))
		return
	}
	for _, f := range r.Alarms.Firing {
		a.printf("ALARM  %s", ui.Line(f.ID))
		if !f.Since.IsZero() {
			a.printf(" since %s", f.Since.Local().Format(time.DateTime+" MST"))
		}
		a.printf("\n  means: %s\n  first: %s\n", ui.Line(f.Meaning), ui.Line(f.Command))
		if f.Reason != "" {
			a.printf("  reason: %s\n", ui.Line(f.Reason))
		}
	}
}

// graphColumns is the width of a graph; each column has three minutes.
const graphColumns = 20

// printHealth prints the values by component, with a graph of the hour.
func printHealth(a *App, r health.Report) {
	if why := allUnknown(r.Metrics); why != "" {
		a.printf("health: unknown: %s\n", ui.Line(why))
	} else {
		levels := graphLevels(a)
		component := ""
		for _, v := range r.Metrics {
			if v.Component != component {
				component = v.Component
				a.printf("%s\n", component)
			}
			a.printf("%s\n", strings.TrimRight(healthLine(v, levels), " "))
		}
	}
	if r.Jobs != nil {
		a.printf("running jobs: %d\n", *r.Jobs)
	}
	if r.Alarms == nil || r.Alarms.Unknown != "" {
		return
	}
	a.printf("alarms: %d of %d fire", len(r.Alarms.Firing), r.Alarms.Total)
	for _, list := range []struct {
		what string
		ids  []string
	}{{"without data", r.Alarms.NoData}, {"deleted outside of the stack", r.Alarms.Missing}, {"with actions disabled", r.Alarms.Off}} {
		if len(list.ids) > 0 {
			a.printf("; %s: %s", list.what, ui.Line(strings.Join(list.ids, ", ")))
		}
	}
	a.printf("\n")
}

// allUnknown returns the reason if no value is known, for the same reason.
func allUnknown(values []health.Value) string {
	for _, v := range values {
		if v.Unknown == "" || v.Unknown != values[0].Unknown {
			return ""
		}
	}
	if len(values) == 0 {
		return ""
	}
	return values[0].Unknown
}

func healthLine(v health.Value, levels []string) string {
	mark, text := " ", "no data"
	switch {
	case v.Unknown != "":
		return fmt.Sprintf("? %-30s unknown: %s", v.Name, ui.Line(v.Unknown))
	case v.Value != nil:
		text = valueText(*v.Value, v.Unit)
		if v.Limit > 0 {
			text += " of " + valueText(v.Limit, v.Unit)
		}
	}
	if v.Beyond {
		mark = "!"
		if v.Threshold != nil {
			text += ", threshold " + valueText(*v.Threshold, v.Unit)
		}
	}
	return fmt.Sprintf("%s %-30s %-34s %s", mark, v.Name, text, graph(v.Minutes, levels))
}

// valueText writes a value with its unit.
func valueText(x float64, unit string) string {
	switch unit {
	case health.Milliseconds:
		return secondsText(x / 1000)
	case "seconds":
		return secondsText(x)
	case health.Bytes:
		if x >= 1e9 {
			return fmt.Sprintf("%.1f GB", x/1e9)
		}
		return fmt.Sprintf("%.1f MB", x/1e6)
	case health.Percent:
		return fmt.Sprintf("%.1f %%", x)
	case health.Fraction:
		return fmt.Sprintf("%.2f %%", 100*x)
	case health.Days:
		return plural(int(x), "day", "days")
	}
	if x != float64(int64(x)) {
		return fmt.Sprintf("%.1f", x)
	}
	return thousands(int64(x))
}

func secondsText(s float64) string {
	switch {
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 60:
		return fmt.Sprintf("%.2f s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// graphLevels are the characters of a graph from the lowest to the highest: blocks, or
// ASCII if the terminal or the locale has no UTF-8.
func graphLevels(a *App) []string {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // the first one that is set wins
		if locale = a.Getenv(name); locale != "" {
			break
		}
	}
	locale = strings.ToLower(locale)
	if a.Getenv("TERM") == "dumb" || !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8") {
		return strings.Split("_.:-=+*#", "")
	}
	return strings.Split("▁▂▃▄▅▆▇█", "")
}

// graph draws values as one line, the newest at the end. A column shows the largest of
// its minutes; minutes without data are blank.
func graph(values []*float64, levels []string) string {
	per := max(1, (len(values)+graphColumns-1)/graphColumns)
	most := 0.0
	for _, v := range values {
		if v != nil {
			most = max(most, *v)
		}
	}
	var b strings.Builder
	for i := 0; i < len(values); i += per {
		top, known := 0.0, false
		for _, v := range values[i:min(i+per, len(values))] {
			if v != nil {
				top, known = max(top, *v), true
			}
		}
		switch {
		case !known:
			b.WriteString(" ")
		case most == 0:
			b.WriteString(levels[0])
		default:
			b.WriteString(levels[min(int(top/most*float64(len(levels))), len(levels)-1)])
		}
	}
	return b.String()
}
