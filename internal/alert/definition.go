// Package alert decides when a number in the rollups deserves attention: a threshold, a
// change against the same time last week, an absence of events, or a ratio of two
// numbers. It does no input or output.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of declarations.
const (
	// MaxDefinitions is the largest number of alerts. Each is an alarm and a metric of
	// CloudWatch.
	MaxDefinitions = 20
	// MaxBytes is the largest size of all definitions as JSON: they are a part of a
	// function's environment, which Lambda limits to 4 KB.
	MaxBytes = 3000
	// MaxMinutes is the largest window and the longest duration, a day.
	MaxMinutes = 1440
	// MaxSilences is the largest number of silence periods of an alert.
	MaxSilences = 10
)

// The severities. An information has no action in CloudWatch.
const (
	SeverityInfo     = "info"
	SeverityWarning  = "warning"
	SeverityCritical = "critical"
)

// Severities lists the severities.
func Severities() []string { return []string{SeverityInfo, SeverityWarning, SeverityCritical} }

// The aggregates of a window.
const (
	AggregateCount   = "count"
	AggregateSum     = "sum"
	AggregateAverage = "avg"
	AggregateMin     = "min"
	AggregateMax     = "max"
)

// Aggregates lists the aggregates.
func Aggregates() []string {
	return []string{AggregateCount, AggregateSum, AggregateAverage, AggregateMin, AggregateMax}
}

// EventsMetric is the metric of an alert that names none: all events.
const EventsMetric = "events"

// Definition declares an alert. It has one condition: Above or Below, for the number
// itself or, with Per, for the ratio of two numbers; IncreasePercent or DecreasePercent
// against the same time last week; or Absent.
type Definition struct {
	// Name identifies the alert: a small letter, then small letters, digits and
	// underscores, at most 40 characters.
	Name string `yaml:"Name" json:"name"`
	// Metric is "events" or a declared metric. Default: events.
	Metric string `yaml:"Metric" json:"metric,omitempty"`
	// Value selects one dimension value of the metric; for events, an event type. Two
	// fields are separated by a comma. Empty adds up all values.
	Value string `yaml:"Value" json:"value,omitempty"`
	// Aggregate is count, sum, avg, min or max of the metric's field over the window.
	// Default: count.
	Aggregate string `yaml:"Aggregate" json:"aggregate,omitempty"`
	// WindowMinutes is the length of the window that ends with each minute, 1 to 1440.
	// Default: 5.
	WindowMinutes int `yaml:"WindowMinutes" json:"windowMinutes,omitempty"`
	// Above and Below are thresholds, exclusive.
	Above *float64 `yaml:"Above" json:"above,omitempty"`
	Below *float64 `yaml:"Below" json:"below,omitempty"`
	// IncreasePercent and DecreasePercent compare with the same window a week earlier:
	// the alert fires if the number is larger, or smaller, by more than so many percent.
	IncreasePercent *float64 `yaml:"IncreasePercent" json:"increasePercent,omitempty"`
	DecreasePercent *float64 `yaml:"DecreasePercent" json:"decreasePercent,omitempty"`
	// Absent fires if the window has no event.
	Absent bool `yaml:"Absent" json:"absent,omitempty"`
	// Per is the number by which the metric is divided.
	Per *Number `yaml:"Per" json:"per,omitempty"`
	// MinEvents is the number of events below which a window does not decide; in a comparison
	// with last week, that window, and in a ratio, the divisor. Default: 0.
	MinEvents int `yaml:"MinEvents" json:"minEvents,omitempty"`
	// ForMinutes is how long the condition must hold before the alert fires, 0 to 1440
	// minutes. Default: 0.
	ForMinutes int `yaml:"ForMinutes" json:"forMinutes,omitempty"`
	// Severity is info, warning or critical. Default: warning.
	Severity string `yaml:"Severity" json:"severity,omitempty"`
	// Silence are periods in which the alert does not fire.
	Silence []Silence `yaml:"Silence" json:"silence,omitempty"`
}

// Number is the divisor of a ratio, in the same window.
type Number struct {
	// Metric, Value and Aggregate are as in Definition.
	Metric    string `yaml:"Metric" json:"metric,omitempty"`
	Value     string `yaml:"Value" json:"value,omitempty"`
	Aggregate string `yaml:"Aggregate" json:"aggregate,omitempty"`
}

// Silence is a period of the week.
type Silence struct {
	// Days are mon, tue, wed, thu, fri, sat or sun: the days on which the period starts.
	// Default: every day.
	Days []string `yaml:"Days" json:"days,omitempty"`
	// From and To are times of day, such as "22:00". A To that is not after From is on
	// the next day. Default: the whole day.
	From string `yaml:"From" json:"from,omitempty"`
	To   string `yaml:"To" json:"to,omitempty"`
	// Zone is an IANA name, such as Europe/Berlin. Default: UTC.
	Zone string `yaml:"Zone" json:"zone,omitempty"`
}

// Series identifies the numbers of a metric's minutes.
type Series struct {
	// Metric is "events" or a declared metric's name; Value is one dimension value, empty
	// for all.
	Metric, Value string
}

// number completes the defaults of a number.
func number(metric, value, aggregate string) (Series, string) {
	if metric == "" {
		metric = EventsMetric
	}
	if aggregate == "" {
		aggregate = AggregateCount
	}
	return Series{metric, value}, aggregate
}

// Number returns the series and the aggregate of the number.
func (d Definition) Number() (Series, string) { return number(d.Metric, d.Value, d.Aggregate) }

// Divisor returns the series and the aggregate of the divisor; ok is false without one.
func (d Definition) Divisor() (s Series, aggregate string, ok bool) {
	if d.Per == nil {
		return Series{}, "", false
	}
	s, aggregate = number(d.Per.Metric, d.Per.Value, d.Per.Aggregate)
	return s, aggregate, true
}

// Window returns the length of the window.
func (d Definition) Window() time.Duration {
	if d.WindowMinutes == 0 {
		return defaultWindow * time.Minute
	}
	return time.Duration(d.WindowMinutes) * time.Minute
}

const defaultWindow = 5

// ComparesWeeks reports whether the condition needs the same window a week earlier.
func (d Definition) ComparesWeeks() bool { return d.IncreasePercent != nil || d.DecreasePercent != nil }

// Level returns the severity.
func (d Definition) Level() string {
	if d.Severity == "" {
		return SeverityWarning
	}
	return d.Severity
}

// Version is a hash of everything that decides when the alert fires. A definition with
// another version starts over.
func (d Definition) Version() string {
	d.Severity = ""
	text, err := json.Marshal(d)
	if err != nil {
		return d.Name // encoding strings and finite numbers can't fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Condition describes the condition, such as "count of events (purchase) in 5 minutes
// below 10 for 15 minutes".
func (d Definition) Condition() string {
	var out strings.Builder
	out.WriteString(describe(d.Number()))
	if s, aggregate, ok := d.Divisor(); ok {
		out.WriteString(" per " + describe(s, aggregate))
	}
	fmt.Fprintf(&out, " in %s", minutes(int(d.Window()/time.Minute)))
	switch {
	case d.Above != nil:
		out.WriteString(" above " + decimal(*d.Above))
	case d.Below != nil:
		out.WriteString(" below " + decimal(*d.Below))
	case d.IncreasePercent != nil:
		out.WriteString(" more than " + decimal(*d.IncreasePercent) + " % above last week")
	case d.DecreasePercent != nil:
		out.WriteString(" more than " + decimal(*d.DecreasePercent) + " % below last week")
	case d.Absent:
		out.WriteString(" is 0")
	}
	if d.ForMinutes > 0 {
		out.WriteString(" for " + minutes(d.ForMinutes))
	}
	return out.String()
}

func describe(s Series, aggregate string) string {
	text := aggregate + " of " + s.Metric
	if s.Value != "" {
		text += " (" + s.Value + ")"
	}
	return text
}

func minutes(n int) string {
	if n == 1 {
		return "1 minute"
	}
	return strconv.Itoa(n) + " minutes"
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// AlarmID returns the logical id of the alert's alarm, such as AlertNoPurchasesAlarm for
// no_purchases. Names that differ in underscores only may have the same id.
func (d Definition) AlarmID() string {
	var out strings.Builder
	for _, word := range strings.Split(d.Name, "_") {
		if word != "" {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return alarmPrefix + out.String() + alarmSuffix
}

const (
	alarmPrefix = "Alert"
	alarmSuffix = "Alarm"
)

// IsAlarm reports whether a logical id is that of an alert's alarm.
func IsAlarm(id string) bool {
	return strings.HasPrefix(id, alarmPrefix) && strings.HasSuffix(id, alarmSuffix)
}

// Encode returns definitions as JSON; "" for none.
func Encode(definitions []Definition) (string, error) {
	if len(definitions) == 0 {
		return "", nil
	}
	text, err := json.Marshal(definitions)
	if err != nil {
		return "", fmt.Errorf("encode alerts: %w", err)
	}
	return string(text), nil
}

// Decode decodes the result of Encode.
func Decode(text string) (definitions []Definition, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &definitions); err != nil {
		return nil, fmt.Errorf("decode alerts: %w", err)
	}
	return definitions, nil
}
