package alert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/metric"
)

// Fields returns the number of dimension fields of a metric; known is false for a metric
// that is not declared. hasField reports whether the metric aggregates a field.
type Fields func(metric string) (dimensions int, hasField, known bool)

// Check returns all problems of a definition.
func (d Definition) Check(metrics Fields) []metric.Problem {
	c := checker{metrics: metrics}
	if err := metric.CheckForm(d.Name); err != nil {
		c.add("Name", "%q: %v", d.Name, err)
	}
	c.number("", d.Metric, d.Value, d.Aggregate)
	if d.Per != nil {
		c.number("Per.", d.Per.Metric, d.Per.Value, d.Per.Aggregate)
	}
	c.between("WindowMinutes", d.WindowMinutes, 1, MaxMinutes, d.WindowMinutes == 0)
	c.between("ForMinutes", d.ForMinutes, 0, MaxMinutes, false)
	c.between("MinEvents", d.MinEvents, 0, math.MaxInt32, false)
	if d.Severity != "" && !slices.Contains(Severities(), d.Severity) {
		c.add("Severity", "%q: want %s", d.Severity, strings.Join(Severities(), ", "))
	}
	c.condition(d)
	if len(d.Silence) > MaxSilences {
		c.add("Silence", "%d periods: want at most %d", len(d.Silence), MaxSilences)
	}
	for i, s := range d.Silence {
		c.silence(fmt.Sprintf("Silence[%d].", i), s)
	}
	return c.problems
}

type checker struct {
	metrics  Fields
	problems []metric.Problem
}

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, metric.Problem{Field: field, What: fmt.Sprintf(format, args...)})
}

func (c *checker) between(field string, v, low, high int, unset bool) {
	if !unset && (v < low || v > high) {
		c.add(field, "%d is outside %d..%d", v, low, high)
	}
}

func (c *checker) number(prefix, metric, value, aggregate string) {
	s, aggregate := number(metric, value, aggregate)
	valid := slices.Contains(Aggregates(), aggregate)
	if !valid {
		c.add(prefix+"Aggregate", "%q: want %s", aggregate, strings.Join(Aggregates(), ", "))
	}
	dimensions, hasField, known := c.metrics(s.Metric)
	switch {
	case !known:
		c.add(prefix+"Metric", "%q: want events or a metric that Metrics declares", s.Metric)
	case valid && aggregate != AggregateCount && !hasField:
		c.add(prefix+"Aggregate", "%q: the metric %s only counts; declare one with Sum, Min or Max", aggregate, s.Metric)
	case s.Value != "" && dimensions == 0:
		c.add(prefix+"Value", "%q: the metric %s has no dimension", s.Value, s.Metric)
	case s.Value != "" && dimensions > 1 && strings.Count(s.Value, ",") != dimensions-1:
		c.add(prefix+"Value", "%q: the metric %s has %d dimension fields; separate their values by a comma", s.Value, s.Metric, dimensions)
	}
}

func (c *checker) condition(d Definition) {
	var given []string
	for _, p := range []struct {
		name  string
		value *float64
	}{{"Above", d.Above}, {"Below", d.Below}, {"IncreasePercent", d.IncreasePercent}, {"DecreasePercent", d.DecreasePercent}} {
		if p.value == nil {
			continue
		}
		given = append(given, p.name)
		switch {
		case math.IsNaN(*p.value) || math.IsInf(*p.value, 0):
			c.add(p.name, "%v: want a number", *p.value)
		case strings.HasSuffix(p.name, "Percent") && *p.value <= 0:
			c.add(p.name, "%s: want more than 0", decimal(*p.value))
		case p.name == "DecreasePercent" && *p.value >= 100:
			c.add(p.name, "%s: want less than 100; use Absent for a number that falls to 0", decimal(*p.value))
		}
	}
	if d.Absent {
		given = append(given, "Absent")
	}
	switch {
	case len(given) == 0:
		c.add("", "no condition: set one of Above, Below, IncreasePercent, DecreasePercent and Absent")
	case len(given) > 1:
		c.add(given[1], "the alert has %s too: set one condition, and declare another alert for the other", given[0])
	case d.Per != nil && d.Above == nil && d.Below == nil:
		c.add("Per", "want Above or Below for a ratio, not %s", given[0])
	}
}

func (c *checker) silence(at string, s Silence) {
	for _, day := range s.Days {
		if !slices.Contains(weekdays(), day) {
			c.add(at+"Days", "%q: want %s", day, strings.Join(weekdays(), ", "))
		}
	}
	if (s.From == "") != (s.To == "") {
		c.add(at+"From", "want both From and To, or neither for the whole day")
	}
	for _, p := range []struct{ name, value string }{{"From", s.From}, {"To", s.To}} {
		if _, err := clock(p.value); p.value != "" && err != nil {
			c.add(at+p.name, "%q: want a time such as \"22:00\"", p.value)
		}
	}
	if s.Zone == "Local" {
		c.add(at+"Zone", "%q: want an IANA name such as Europe/Berlin", s.Zone)
	} else if _, err := time.LoadLocation(s.Zone); err != nil {
		c.add(at+"Zone", "%q: want an IANA name such as Europe/Berlin", s.Zone)
	}
}

// weekdays are the days in the order of time.Weekday.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// clock returns the minute of the day of a text such as 22:00.
func clock(text string) (minute int, err error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, err
	}
	return t.Hour()*60 + t.Minute(), nil
}
