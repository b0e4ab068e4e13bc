package cli

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

// writeCSV writes a row per point, with a header. Text cells show hidden characters,
// and none starts a formula in a spreadsheet.
func writeCSV(out io.Writer, q queryAnswer) error {
	w := csv.NewWriter(out)
	var rows [][]string
	switch {
	case q.Events != nil:
		rows = append(rows, []string{"eventType", "count"})
		for _, kind := range slices.Sorted(maps.Keys(q.ByType)) {
			rows = append(rows, []string{ui.Cell(kind), strconv.FormatInt(q.ByType[kind], 10)})
		}
	case q.Metric == "users":
		rows = append(rows, []string{"day", "users", "exact"})
		for _, d := range q.Days {
			rows = append(rows, []string{ui.Cell(d.Day), usersText(d), strconv.FormatBool(d.Exact)})
		}
	default:
		rows = pointRows(q)
	}
	if err := w.WriteAll(rows); err != nil {
		return &writeError{err}
	}
	return nil
}

func pointRows(q queryAnswer) [][]string {
	head := []string{"at"}
	if q.Metric == "events" {
		head = append(head, "eventType")
	}
	for _, by := range q.By {
		head = append(head, ui.Cell(by))
	}
	head = append(head, "count", "sum", "min", "max")
	rows := [][]string{head}
	for _, p := range q.Points {
		row := []string{p.At.Format(time.RFC3339)}
		if q.Metric == "events" {
			row = append(row, ui.Cell(p.EventType))
		}
		values := make([]string, len(q.By))
		for i, value := range p.Values[:min(len(values), len(p.Values))] {
			values[i] = ui.Cell(value)
		}
		rows = append(rows, append(append(row, values...), strconv.FormatInt(p.Count, 10), p.Sum.String(), p.Min.String(), p.Max.String()))
	}
	return rows
}

// answerText prints answers on lines of at most so many columns; 0 does not limit them.
type answerText struct {
	out     io.Writer
	columns int
}

func (t answerText) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// show prints an answer.
func (t answerText) show(q queryAnswer) {
	switch {
	case q.Events != nil:
		t.showSummary(q)
	case q.Metric == "users":
		t.showUsers(q)
	default:
		t.showSeries(q)
	}
	t.printf("%s\n", ui.Wrap(origin(q), t.columns))
}

// zoned is the layout of times in text.
const zoned = time.DateTime + " MST"

// origin describes the source of an answer and its gaps.
func origin(q queryAnswer) string {
	source := ui.Line(q.Source)
	if name, ok := map[string]string{"cache": "Redis", "warehouse": "PostgreSQL", "cache+warehouse": "Redis and PostgreSQL"}[q.Source]; ok {
		source = name
	}
	text := "Source: " + source + "."
	if q.AsOf != nil {
		text += " Includes everything loaded by " + q.AsOf.Local().Format("15:04:05 MST") + "."
	}
	if q.Stale {
		text += " STALE: Redis or PostgreSQL is unavailable or behind."
	}
	if q.Skipped != nil && *q.Skipped > 0 {
		text += fmt.Sprintf(" %s events had no number in this field.", thousands(*q.Skipped))
	}
	if q.Folded != nil {
		text += fmt.Sprintf(" INCOMPLETE: events of this type may be among %s that were counted as __other__ from %s to %s; add the type to EventTypes in variables.yaml.",
			thousands(q.Folded.Events), q.Folded.From.Local().Format(zoned), q.Folded.To.Local().Format(zoned))
	}
	if q.UserShare != nil && *q.UserShare < 1 {
		text += fmt.Sprintf(" PARTIAL: only %.0f %% of the users were counted in the %s of a request; %s.", 100**q.UserShare, cmp.Or(ui.Line(q.Limit), api.LimitTime), moreUsers(q.Limit))
	}
	if q.Since != nil && q.From != nil && q.Since.After(*q.From) {
		text += " Counted since " + q.Since.Local().Format(zoned) + "."
	}
	return text
}

// moreUsers is advice for a partial answer.
func moreUsers(limit string) string {
	if limit == api.LimitMemory {
		return "shorten the range, filter the events, or group by a property with fewer values"
	}
	return "shorten the range, or declare the properties in InsightProperties"
}

// showHints prints the hints of an answer to stderr.
func showHints(story *ui.Writer, hints []string, columns int) {
	for _, h := range hints {
		fmt.Fprintf(story, "%s\n", ui.Wrap("hint: "+ui.Line(h), columns))
	}
}

func (t answerText) showSummary(q queryAnswer) {
	t.printf("%s events in the last 60 minutes", thousands(*q.Events))
	if q.UsersToday != nil && q.UsersToday.Users != nil {
		about := "about "
		if q.UsersToday.Exact {
			about = ""
		}
		t.printf(", %s%s users today", about, thousands(*q.UsersToday.Users))
	}
	t.printf("\n")
	most := int64(1)
	for _, n := range q.ByType {
		most = max(most, n)
	}
	kinds := slices.SortedFunc(maps.Keys(q.ByType), func(x, y string) int { return int(q.ByType[y] - q.ByType[x]) })
	const beside = 2 + 1 + 12 + 2 // indent, count
	width, chart := t.fit(widest(kinds), barWidth, beside)
	for _, kind := range kinds {
		n := q.ByType[kind]
		t.printLine("  %s %12s  %s", padded(kind, width), thousands(n), bar(n, most, chart))
	}
}

func (t answerText) showUsers(q queryAnswer) {
	most := int64(1)
	for _, d := range q.Days {
		if d.Users != nil {
			most = max(most, *d.Users)
		}
	}
	for _, d := range q.Days {
		if d.Users == nil {
			t.printf("  %s   unknown: retention has dropped the day's events\n", ui.Line(d.Day))
			continue
		}
		about := "~"
		if d.Exact {
			about = " "
		}
		_, chart := t.fit(len("2026-01-31"), barWidth, 2+1+12+2)
		t.printLine("  %s %s%11s  %s", ui.Line(d.Day), about, thousands(*d.Users), bar(*d.Users, most, chart))
	}
}

// usersText is a day's number of users in a cell; empty for a day that was dropped.
func usersText(d api.UsersDay) string {
	if d.Users == nil {
		return ""
	}
	return strconv.FormatInt(*d.Users, 10)
}

// bar draws a value in proportion to the largest, which takes width columns.
func bar(n, most int64, width int) string {
	return strings.Repeat("█", int(float64(n)/float64(most)*float64(width)))
}

// minChart is the narrowest chart in columns; names are shortened first.
const minChart = 10

// fit returns the widths of a name and a chart that fit on a line of the terminal with
// something beside them.
func (t answerText) fit(name, chart, beside int) (nameWidth, chartWidth int) {
	total := t.columns
	if total == 0 || name+chart+beside <= total {
		return name, chart
	}
	chart = min(chart, max(minChart, total-beside-name))
	name = min(name, max(4, total-beside-chart))
	return name, max(0, min(chart, total-beside-name)) // numbers are never shortened
}

// padded pads a value to a width in columns; a longer one ends in an ellipsis.
func padded(value string, width int) string {
	if shown := ui.Line(value); ui.Width(shown) > width {
		return ui.Pad(ui.Head(shown, width-1)+"…", width)
	}
	return ui.Pad(value, width)
}

// printLine writes a line without the spaces at its end.
func (t answerText) printLine(format string, args ...any) {
	t.printf("%s\n", strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// widest returns the width in columns of the widest name as ui.Pad shows it.
func widest(names []string) int {
	width := 4
	for _, name := range names {
		width = max(width, ui.Width(ui.Line(name)))
	}
	return width
}

// line is one series of an answer: its totals and its values per step.
type line struct {
	name     string
	count    int64
	sum      *big.Rat
	decimals int
	least    *big.Rat
	most     *big.Rat
	chart    []float64
}

// showSeries shows a line for each series, the largest first.
func (t answerText) showSeries(q queryAnswer) {
	if q.From != nil && q.To != nil {
		t.printf("%s\n", ui.Wrap(fmt.Sprintf("%s, %s to %s, step %s", ui.Line(q.Metric), q.From.Local().Format(zoned), q.To.Local().Format(zoned), short(time.Duration(q.StepSeconds)*time.Second)), t.columns))
	}
	all := series(q)
	if len(all) == 0 && q.Folded == nil {
		text := "No events in this range."
		if q.AsOf != nil && q.To != nil && q.AsOf.Before(*q.To) {
			text += " A new event appears a few seconds after it was accepted."
		}
		t.printf("%s\n", text)
		return
	}
	names := make([]string, len(all))
	for i, l := range all {
		names[i] = l.name
	}
	values, beside, chart := make([]string, len(all)), 0, 0
	for i, l := range all {
		values[i] = l.values()
		beside, chart = max(beside, 2+1+ui.Width(values[i])+2), max(chart, min(len(l.chart), 2*steps))
	}
	width, chart := t.fit(widest(names), chart, beside)
	for i, l := range all {
		t.printLine("  %s %s  %s", padded(l.name, width), values[i], spark(l.chart, chart))
	}
}

// values formats a line's totals.
func (l *line) values() string {
	text := fmt.Sprintf("%12s", thousands(l.count))
	for _, v := range []struct {
		name  string
		value *big.Rat
	}{{"sum", l.sum}, {"min", l.least}, {"max", l.most}} {
		if v.value != nil {
			text += "  " + v.name + " " + v.value.FloatString(l.decimals)
		}
	}
	return text
}

// short formats whole minutes or hours, such as 5m or 2h.
func short(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// series adds up an answer's points by dimension value.
func series(q queryAnswer) []*line {
	byName := map[string]*line{}
	n := 1
	if q.From != nil && q.To != nil && q.StepSeconds > 0 {
		n = int((q.To.Sub(*q.From).Seconds() + float64(q.StepSeconds) - 1) / float64(q.StepSeconds))
	}
	for _, p := range q.Points {
		name := strings.Join(append([]string{p.EventType}, p.Values...), " ")
		if name = strings.TrimSpace(name); name == "" {
			name = "all"
		}
		l := byName[name]
		if l == nil {
			l = &line{name: name, chart: make([]float64, max(n, 1))}
			byName[name] = l
		}
		l.add(p)
		if i := int(p.At.Sub(*q.From).Seconds()) / max(q.StepSeconds, 1); i >= 0 && i < len(l.chart) {
			l.chart[i] += float64(p.Count)
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(x, y *line) int {
		if x.count != y.count {
			return int(y.count - x.count)
		}
		return strings.Compare(x.name, y.name)
	})
}

// add adds a point, exactly.
func (l *line) add(p api.Point) {
	l.count += p.Count
	number := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil
		}
		if _, fraction, ok := strings.Cut(text, "."); ok {
			l.decimals = max(l.decimals, len(fraction))
		}
		return r
	}
	if r := number(p.Sum.String()); r != nil {
		if l.sum == nil {
			l.sum = new(big.Rat)
		}
		l.sum.Add(l.sum, r)
	}
	if r := number(p.Min.String()); r != nil && (l.least == nil || r.Cmp(l.least) < 0) {
		l.least = r
	}
	if r := number(p.Max.String()); r != nil && (l.most == nil || r.Cmp(l.most) > 0) {
		l.most = r
	}
}

// spark draws values as one line of at most so many columns.
func spark(values []float64, columns int) string {
	if columns <= 0 {
		return ""
	}
	for len(values) > columns {
		var half []float64
		for i := 0; i < len(values); i += 2 {
			v := values[i]
			if i+1 < len(values) {
				v += values[i+1]
			}
			half = append(half, v)
		}
		values = half
	}
	most := slices.Max(values)
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		switch {
		case v == 0 || most == 0:
			b.WriteRune(' ')
		default:
			b.WriteRune(levels[min(int(v/most*float64(len(levels))), len(levels)-1)])
		}
	}
	return strings.TrimRight(b.String(), " ")
}
