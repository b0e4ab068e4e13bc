package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/alert"
)

// noon is a Wednesday.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

var (
	all       = alert.Series{Metric: "events"}
	purchases = alert.Series{Metric: "events", Value: "purchase"}
	revenue   = alert.Series{Metric: "revenue"}
	lastWeek  = -7 * 24 * time.Hour
)

func known(metric string) (dimensions int, hasField, ok bool) {
	switch metric {
	case "events":
		return 1, false, true
	case "revenue":
		return 2, true, true
	case "plain":
		return 0, false, true
	}
	return 0, false, false
}

// counts returns n events in each minute of a range of minutes from noon.
func counts(n int64, from, to int) (out []alert.Minute) {
	for m := from; m < to; m++ {
		out = append(out, alert.Minute{At: noon.Add(time.Duration(m) * time.Minute), N: n, Sum: float64(2 * n), Min: 1, Max: 3})
	}
	return out
}

func shifted(minutes []alert.Minute, by time.Duration) []alert.Minute {
	out := make([]alert.Minute, len(minutes))
	for i, m := range minutes {
		m.At = m.At.Add(by)
		out[i] = m
	}
	return out
}

// walk evaluates the minutes that end 1 to n minutes after noon, and returns the states
// without repeats, with the minute of each.
func walk(t *testing.T, d alert.Definition, data alert.Data, n int) (out []string) {
	t.Helper()
	if problems := d.Check(known); len(problems) > 0 {
		t.Fatal(problems)
	}
	var s alert.State
	for m := 1; m <= n; m++ {
		next, err := d.Next(s, noon.Add(time.Duration(m)*time.Minute), data)
		if err != nil {
			t.Fatal(err)
		}
		if next.State != s.State {
			out = append(out, next.State+" "+next.Since.Format("15:04"))
		}
		s = next
	}
	return out
}

func TestConditions(t *testing.T) {
	busy := append(append(counts(10, -60, 10), counts(100, 10, 20)...), counts(10, 20, 60)...)
	quiet := append(counts(10, -60, 10), counts(10, 30, 60)...)
	night := []alert.Silence{{From: "12:15", To: "12:25"}}
	for name, test := range map[string]struct {
		d    alert.Definition
		data alert.Data
		want []string
	}{
		"above": {
			alert.Definition{WindowMinutes: 1, Above: new(50.0)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy}},
			[]string{"ok 12:01", "firing 12:11", "ok 12:21"},
		},
		"above, in a window": { // 5 minutes with more than 300 events: three busy ones
			alert.Definition{Above: new(300.0)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy}},
			[]string{"ok 12:01", "firing 12:13", "ok 12:23"},
		},
		"above, for some time": {
			alert.Definition{WindowMinutes: 1, Above: new(50.0), ForMinutes: 5}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy}},
			[]string{"ok 12:01", "pending 12:11", "firing 12:16", "ok 12:21"},
		},
		"above, for too short a time": {
			alert.Definition{WindowMinutes: 1, Above: new(50.0), ForMinutes: 10}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy}},
			[]string{"ok 12:01", "pending 12:11", "ok 12:21"},
		},
		"silenced": {
			alert.Definition{WindowMinutes: 1, Above: new(50.0), Silence: night}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy}},
			[]string{"ok 12:01", "firing 12:11", "silenced 12:15", "ok 12:21"},
		},
		"below": {
			alert.Definition{WindowMinutes: 1, Below: new(5.0)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: quiet}},
			[]string{"ok 12:01", "firing 12:11", "ok 12:31"},
		},
		"absent": {
			alert.Definition{Value: "purchase", Absent: true, WindowMinutes: 15}, alert.Data{Minutes: map[alert.Series][]alert.Minute{purchases: quiet}},
			[]string{"ok 12:01", "firing 12:25", "ok 12:31"},
		},
		"average of a field": {
			alert.Definition{Metric: "revenue", Aggregate: "avg", WindowMinutes: 1, Above: new(1.5)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{revenue: quiet}},
			[]string{"firing 12:01", "no data 12:11", "firing 12:31"},
		},
		"largest of a field": {
			alert.Definition{Metric: "revenue", Aggregate: "max", Above: new(3.0)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{revenue: busy}},
			[]string{"ok 12:01"},
		},
		"increase": {
			alert.Definition{WindowMinutes: 1, IncreasePercent: new(200.0)},
			alert.Data{Minutes: map[alert.Series][]alert.Minute{all: append(shifted(counts(10, -60, 60), lastWeek), busy...)}},
			[]string{"ok 12:01", "firing 12:11", "ok 12:21"},
		},
		"decrease": {
			alert.Definition{WindowMinutes: 1, DecreasePercent: new(50.0)},
			alert.Data{Minutes: map[alert.Series][]alert.Minute{all: append(shifted(counts(10, -60, 60), lastWeek), quiet...)}},
			[]string{"ok 12:01", "firing 12:11", "ok 12:31"},
		},
		"change without last week's events": {
			alert.Definition{WindowMinutes: 1, DecreasePercent: new(50.0)}, alert.Data{Minutes: map[alert.Series][]alert.Minute{all: quiet}},
			[]string{"no data 12:01"},
		},
		"change before the metric existed": {
			alert.Definition{WindowMinutes: 1, IncreasePercent: new(50.0)},
			alert.Data{
				Minutes: map[alert.Series][]alert.Minute{all: append(shifted(counts(10, -60, 60), lastWeek), busy...)},
				Since:   map[alert.Series]time.Time{all: noon.Add(lastWeek + 15*time.Minute)},
			},
			[]string{"no data 12:01", "firing 12:16", "ok 12:21"},
		},
		"change with few events last week": {
			alert.Definition{WindowMinutes: 1, IncreasePercent: new(50.0), MinEvents: 11},
			alert.Data{Minutes: map[alert.Series][]alert.Minute{all: append(shifted(counts(10, -60, 60), lastWeek), busy...)}},
			[]string{"no data 12:01"},
		},
		"ratio": {
			alert.Definition{Value: "purchase", WindowMinutes: 1, Per: &alert.Number{}, Below: new(0.5)},
			alert.Data{Minutes: map[alert.Series][]alert.Minute{all: busy, purchases: counts(10, -60, 60)}},
			[]string{"ok 12:01", "firing 12:11", "ok 12:21"},
		},
		"ratio without a divisor": {
			alert.Definition{Value: "purchase", WindowMinutes: 1, Per: &alert.Number{}, Below: new(0.5)},
			alert.Data{Minutes: map[alert.Series][]alert.Minute{all: quiet, purchases: counts(1, -60, 60)}},
			[]string{"firing 12:01", "no data 12:11", "firing 12:31"},
		},
		"folded value": {
			alert.Definition{Value: "purchase", Absent: true}, alert.Data{Folded: map[alert.Series]bool{purchases: true}},
			[]string{"no data 12:01"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.d.Name = "a"
			if got := walk(t, test.d, test.data, 40); !cmp.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			// The data that the definition asks for is enough.
			needed := alert.Data{Minutes: map[alert.Series][]alert.Minute{}, Since: test.data.Since, Folded: test.data.Folded}
			for _, n := range test.d.Needs(noon, noon.Add(40*time.Minute)) {
				for _, m := range test.data.Minutes[n.Series] {
					if !m.At.Before(n.From) && m.At.Before(n.To) {
						needed.Minutes[n.Series] = append(needed.Minutes[n.Series], m)
					}
				}
			}
			if got := walk(t, test.d, needed, 40); !cmp.Equal(got, test.want) {
				t.Errorf("with the needed minutes: got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	for name, test := range map[string]struct {
		silence alert.Silence
		at      string
		want    bool
	}{
		"whole day":                  {alert.Silence{Days: []string{"sat", "sun"}}, "2026-03-07T00:00:00Z", true},
		"whole day, another day":     {alert.Silence{Days: []string{"sat", "sun"}}, "2026-03-09T00:00:00Z", false},
		"day of the zone":            {alert.Silence{Days: []string{"sat"}, Zone: "Asia/Tokyo"}, "2026-03-06T16:00:00Z", true},
		"night, evening":             {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-03-04T21:00:00Z", true},
		"night, before it":           {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-03-04T20:59:00Z", false},
		"night, its last minute":     {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-03-05T04:59:00Z", true},
		"night, its end":             {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-03-05T05:00:00Z", false},
		"night of a day, next day":   {alert.Silence{Days: []string{"fri"}, From: "22:00", To: "06:00"}, "2026-03-07T03:00:00Z", true},
		"night of a day, other day":  {alert.Silence{Days: []string{"fri"}, From: "22:00", To: "06:00"}, "2026-03-06T03:00:00Z", false},
		"summer time":                {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-07-01T20:00:00Z", true},
		"the skipped hour of spring": {alert.Silence{From: "02:30", To: "04:00", Zone: "Europe/Berlin"}, "2026-03-29T01:10:00Z", true},
		"autumn, the first 02:30":    {alert.Silence{From: "02:30", To: "02:45", Zone: "Europe/Berlin"}, "2026-10-25T00:30:00Z", true},
		"autumn, between both":       {alert.Silence{From: "02:30", To: "02:45", Zone: "Europe/Berlin"}, "2026-10-25T01:00:00Z", false},
		"autumn, the second 02:30":   {alert.Silence{From: "02:30", To: "02:45", Zone: "Europe/Berlin"}, "2026-10-25T01:30:00Z", true},
		"autumn night, last minute":  {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-10-25T04:59:00Z", true},
		"autumn night, its end":      {alert.Silence{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}, "2026-10-25T05:00:00Z", false},
		"From is To":                 {alert.Silence{From: "22:00", To: "22:00", Days: []string{"fri"}}, "2026-03-07T21:59:00Z", true},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		d := alert.Definition{Silence: []alert.Silence{test.silence}}
		if got, err := d.IsSilent(at); err != nil || got != test.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
	if _, err := (alert.Definition{Silence: []alert.Silence{{Zone: "Mars/Base"}}}).IsSilent(noon); err == nil {
		t.Error("no error for an unknown zone")
	}
}

func TestCheck(t *testing.T) {
	one := new(1.0)
	for want, d := range map[string]alert.Definition{
		"Name":            {Name: "Big", Above: one},
		"Metric":          {Name: "a", Metric: "nothing", Above: one},
		"Aggregate":       {Name: "a", Aggregate: "sum", Above: one},
		"Aggregate ":      {Name: "a", Aggregate: "median", Above: one},
		"Value":           {Name: "a", Metric: "plain", Value: "x", Above: one},
		"Value ":          {Name: "a", Metric: "revenue", Value: "x", Above: one},
		"Per.Metric":      {Name: "a", Per: &alert.Number{Metric: "nothing"}, Above: one},
		"Per":             {Name: "a", Per: &alert.Number{}, Absent: true},
		"":                {Name: "a"},
		"Below":           {Name: "a", Above: one, Below: one},
		"Absent":          {Name: "a", Above: one, Absent: true},
		"WindowMinutes":   {Name: "a", Above: one, WindowMinutes: 1441},
		"ForMinutes":      {Name: "a", Above: one, ForMinutes: -1},
		"MinEvents":       {Name: "a", Above: one, MinEvents: -1},
		"Severity":        {Name: "a", Above: one, Severity: "bad"},
		"IncreasePercent": {Name: "a", IncreasePercent: new(0.0)},
		"DecreasePercent": {Name: "a", DecreasePercent: new(100.0)},
		"Silence[0].Days": {Name: "a", Above: one, Silence: []alert.Silence{{Days: []string{"Monday"}}}},
		"Silence[0].From": {Name: "a", Above: one, Silence: []alert.Silence{{From: "22:00"}}},
		"Silence[0].To":   {Name: "a", Above: one, Silence: []alert.Silence{{From: "22:00", To: "24:00"}}},
		"Silence[0].Zone": {Name: "a", Above: one, Silence: []alert.Silence{{Zone: "Local"}}},
	} {
		problems := d.Check(known)
		if len(problems) != 1 || problems[0].Field != strings.TrimSpace(want) {
			t.Errorf("%+v: %v, want a problem with %q", d, problems, want)
		}
	}
}

func TestTexts(t *testing.T) {
	for want, d := range map[string]alert.Definition{
		"count of events in 5 minutes above 10":                        {Above: new(10.0)},
		"count of events (purchase) in 1 minute is 0 for 10 minutes":   {Value: "purchase", WindowMinutes: 1, Absent: true, ForMinutes: 10},
		"sum of revenue per count of events in 60 minutes below 0.05":  {Metric: "revenue", Aggregate: "sum", WindowMinutes: 60, Per: &alert.Number{}, Below: new(0.05)},
		"count of events in 5 minutes more than 50 % below last week":  {DecreasePercent: new(50.0)},
		"max of revenue in 5 minutes more than 12.5 % above last week": {Metric: "revenue", Aggregate: "max", IncreasePercent: new(12.5)},
	} {
		if got := d.Condition(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		text, err := alert.Encode([]alert.Definition{d})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := alert.Decode(text)
		if err != nil || len(decoded) != 1 || decoded[0].Version() != d.Version() {
			t.Errorf("%+v, %v after Encode and Decode, want %+v", decoded, err, d)
		}
	}
	a, b := alert.Definition{Name: "a", Above: new(1.0)}, alert.Definition{Name: "a", Above: new(2.0)}
	if a.Version() == b.Version() {
		t.Error("two thresholds have one version")
	}
	if id := (alert.Definition{Name: "no_purchases_2"}).AlarmID(); id != "AlertNoPurchases2Alarm" || !alert.IsAlarm(id) {
		t.Errorf("alarm id %s", id)
	}
}
