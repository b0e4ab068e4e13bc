package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

// cells is a table. Numbers of a text table have separators and units, those of CSV don't.
type cells struct {
	head []string
	rows [][]string
	// names is the number of columns with names; the others have numbers.
	names int
	// notes are printed below a text table.
	notes []string
	csv   bool
}

func (c *cells) add(row ...string) { c.rows = append(c.rows, row) }

func (c *cells) number(n int64) string {
	if c.csv {
		return strconv.FormatInt(n, 10)
	}
	return thousands(n)
}

// path formats the path of a property.
func (c *cells) path(path string) string {
	if c.csv {
		return path
	}
	return strings.TrimPrefix(path, "properties.")
}

// group formats the value of a group; the events of a group without one lack the property.
func (c *cells) group(value string) string {
	if value == "" && !c.csv {
		return "(none)"
	}
	return value
}

// share formats a part of 1.
func (c *cells) share(x float64) string {
	if c.csv {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

// seconds formats a duration; empty if there is none.
func (c *cells) seconds(x *float64) string {
	switch {
	case x == nil:
		return ""
	case c.csv:
		return strconv.FormatFloat(*x, 'f', -1, 64)
	case *x < 60:
		return strconv.FormatFloat(*x, 'f', 1, 64) + " s"
	}
	whole := int64(*x)
	switch {
	case whole < 3600:
		return fmt.Sprintf("%d min %d s", whole/60, whole%60)
	case whole < 48*3600:
		return fmt.Sprintf("%d h %d min", whole/3600, whole%3600/60)
	}
	return strconv.FormatFloat(*x/(24*3600), 'f', 1, 64) + " days"
}

// questionCells returns the table of an answer.
func questionCells(r api.InsightResponse, asCSV bool) cells {
	c := cells{csv: asCSV, names: 1}
	switch {
	case r.Funnel != nil:
		c.funnel(r.Funnel)
	case r.Retention != nil:
		c.retention(r.Retention)
	case r.Sessions != nil:
		c.sessions(r.Sessions)
	case r.Breakdown != nil:
		c.breakdown(r.Breakdown)
	case r.Paths != nil:
		c.paths(r.Paths)
	case r.Live != nil:
		c.head = []string{"eventType", "count"}
		for _, t := range r.Live.Types {
			c.add(t.EventType, c.number(t.Count))
		}
	}
	return c
}

func (c *cells) funnel(f *api.Funnel) {
	c.head = []string{"step", "users", "conversion", "median"}
	if c.csv {
		c.head[3] = "medianSeconds"
	}
	row := func(s api.FunnelStep) []string {
		return []string{s.Step, c.number(s.Users), c.share(s.Conversion), c.seconds(s.MedianSeconds)}
	}
	if f.By == "" {
		for _, s := range f.Steps {
			c.add(row(s)...)
		}
		return
	}
	c.head, c.names = append([]string{c.path(f.By)}, c.head...), 2
	for _, s := range f.Steps {
		c.add(append([]string{"(all)"}, row(s)...)...)
	}
	for _, g := range f.Groups {
		for _, s := range g.Steps {
			c.add(append([]string{c.group(g.Value)}, row(s)...)...)
		}
	}
	if f.Rest > 0 {
		c.notes = append(c.notes, fmt.Sprintf("Smaller groups that are not listed: %d.", f.Rest))
	}
}

func (c *cells) retention(r *api.Retention) {
	c.head = []string{r.Unit, "users"}
	longest, empty, open := 0, 0, false
	for _, cohort := range r.Cohorts {
		if c.csv || cohort.Users > 0 {
			longest = max(longest, len(cohort.Returned))
		}
	}
	for n := range longest {
		c.head = append(c.head, strconv.Itoa(n))
	}
	for _, cohort := range r.Cohorts {
		if cohort.Users == 0 && !c.csv {
			empty++
			continue
		}
		row := []string{cohort.Start.Format(time.DateOnly), c.number(cohort.Users)}
		for n := range longest {
			cell := ""
			switch {
			case n >= len(cohort.Returned):
			case c.csv:
				cell = c.number(cohort.Returned[n])
			default:
				cell = percentOf(cohort.Returned[n], cohort.Users)
				if cohort.Open && n == len(cohort.Returned)-1 {
					cell, open = cell+"*", true
				}
			}
			row = append(row, cell)
		}
		c.add(row...)
	}
	if len(c.rows) == 0 || c.csv {
		return
	}
	c.notes = append(c.notes, fmt.Sprintf("Percentages of the users who returned, in the %s of their first event (0) and in the following ones, in the time zone %s.", r.Unit, r.Zone))
	if open {
		c.notes = append(c.notes, "* The "+r.Unit+" has not ended.")
	}
	if empty > 0 {
		c.notes = append(c.notes, fmt.Sprintf("Not listed, without start events: %s.", plural(empty, r.Unit, r.Unit+"s")))
	}
}

// percentOf formats a part of a whole, which is not 0, as a short percentage.
func percentOf(part, whole int64) string {
	switch percent := 100 * float64(part) / float64(whole); {
	case part > 0 && percent < 0.5:
		return "<1"
	case part < whole && percent > 99.5:
		return ">99"
	default:
		return strconv.FormatFloat(percent, 'f', 0, 64)
	}
}

func (c *cells) sessions(s *api.Sessions) {
	c.head = []string{"", ""}
	if c.csv {
		c.head = []string{"name", "value"}
	}
	c.add("sessions", c.number(s.Sessions))
	c.add("users", c.number(s.Users))
	c.add("events per session", strconv.FormatFloat(s.EventsPerSession, 'f', 2, 64))
	c.add("bounce rate", c.share(s.BounceRate))
	c.add("median duration", c.seconds(s.MedianSeconds))
	c.add("mean duration", c.seconds(s.MeanSeconds))
	for _, t := range s.Entries {
		c.add("entry "+t.EventType, c.number(t.Count))
	}
	for _, t := range s.Exits {
		c.add("exit "+t.EventType, c.number(t.Count))
	}
}

func (c *cells) breakdown(b *api.Breakdown) {
	c.names = len(b.By)
	for _, by := range b.By {
		c.head = append(c.head, c.path(by))
	}
	c.head = append(c.head, "count", "users")
	if b.Property != "" {
		c.head = append(c.head, "numbers", "sum", "min", "max")
		for _, p := range b.Percents {
			c.head = append(c.head, "p"+strconv.Itoa(p))
		}
	}
	group := func(values []string, g api.BreakdownGroup) {
		row := append(append([]string{}, values...), c.number(g.Count), c.number(g.Users))
		if b.Property != "" {
			row = append(row, c.number(g.Numbers), g.Sum.String(), g.Min.String(), g.Max.String())
			for i := range b.Percents {
				value := ""
				if i < len(g.Percentiles) {
					value = g.Percentiles[i].String()
				}
				row = append(row, value)
			}
		}
		c.add(row...)
	}
	for _, g := range b.Groups {
		values := make([]string, len(b.By))
		for i := range min(len(values), len(g.Values)) {
			values[i] = c.group(g.Values[i])
		}
		group(values, g)
	}
	if b.Rest != nil && len(b.By) > 0 {
		values := make([]string, len(b.By))
		values[0] = fmt.Sprintf("(%d others)", b.RestGroups)
		group(values, *b.Rest)
	}
}

func (c *cells) paths(p *api.Paths) {
	c.head = []string{"path", "count", "users"}
	for _, used := range p.Paths {
		name := strings.Join(used.Types, " → ")
		if name == "" {
			name = "(none)"
		}
		c.add(name, c.number(used.Count), c.number(used.Users))
	}
	if p.RestPaths > 0 {
		c.add(fmt.Sprintf("(%d others)", p.RestPaths), c.number(p.Rest), "")
	}
}

// writeQuestionCSV writes a row per line of the table, with a header. Text cells show
// hidden characters, and none starts a formula in a spreadsheet.
func writeQuestionCSV(out io.Writer, r api.InsightResponse) error {
	c := questionCells(r, true)
	rows := [][]string{make([]string, len(c.head))}
	for i, name := range c.head {
		rows[0][i] = ui.Cell(name)
	}
	for _, row := range c.rows {
		for i := range min(c.names, len(row)) {
			row[i] = ui.Cell(row[i])
		}
		rows = append(rows, row)
	}
	if err := csv.NewWriter(out).WriteAll(rows); err != nil {
		return &writeError{err}
	}
	return nil
}

// showQuestion prints the answer to a question.
func (t answerText) showQuestion(r api.InsightResponse) {
	title := fmt.Sprintf("%s, %s to %s", ui.Line(r.Question), r.From.Local().Format(zoned), r.To.Local().Format(zoned))
	switch {
	case r.Live != nil:
		title = fmt.Sprintf("%s and %s in the last 5 minutes", plural(int(r.Live.Users), "user", "users"), plural(int(r.Live.Events), "event", "events"))
	case r.Paths != nil:
		title += fmt.Sprintf(", %s of %s", plural(int(r.Paths.Occurrences), "event", "events"), plural(int(r.Paths.Users), "user", "users"))
	}
	t.printf("%s\n", ui.Wrap(title, t.columns))
	t.showCells(questionCells(r, false))
	text := origin(queryAnswer{Origin: r.Origin, UserShare: &r.UserShare, Limit: r.Limit})
	if r.DroppedBefore != nil {
		text += " Retention has dropped events before " + r.DroppedBefore.Local().Format(zoned) + "."
	}
	t.printf("%s\n", ui.Wrap(text, t.columns))
}

// minName is the width to which a column of names is shortened before others are left out.
const minName = 16

// fit returns the widths of the columns that fit into so many columns of a terminal; 0 is
// no limit. Long names are shortened first, and then the last columns are left out.
func (c *cells) fit(columns int) []int {
	widths := make([]int, len(c.head))
	for _, row := range append([][]string{c.head}, c.rows...) {
		for i := range row {
			widths[i] = max(widths[i], ui.Width(row[i]))
		}
	}
	if columns <= 0 {
		return widths
	}
	total := func() (n int) {
		for _, w := range widths {
			n += 2 + w
		}
		return n
	}
	least := total()
	for _, w := range widths[:c.names] {
		least -= max(w-minName, 0)
	}
	for least > columns && len(widths) > c.names+1 {
		least -= 2 + widths[len(widths)-1]
		widths = widths[:len(widths)-1]
	}
	for total() > columns {
		longest := 0
		for i, w := range widths[:c.names] {
			if w > widths[longest] {
				longest = i
			}
		}
		if widths[longest] <= minName {
			break
		}
		widths[longest]--
	}
	return widths
}

// showCells prints a table with numbers aligned to the right.
func (t answerText) showCells(c cells) {
	if len(c.rows) == 0 {
		t.printf("No events in this range.\n")
		return
	}
	for _, row := range append([][]string{c.head}, c.rows...) {
		for i := range row {
			row[i] = ui.Line(row[i])
		}
	}
	widths := c.fit(t.columns)
	for n, row := range append([][]string{c.head}, c.rows...) {
		line := ""
		for i, width := range widths {
			if i < c.names {
				line += "  " + padded(row[i], width)
			} else {
				line += "  " + strings.Repeat(" ", max(0, width-ui.Width(row[i]))) + row[i]
			}
		}
		if n > 0 || strings.TrimSpace(line) != "" {
			t.printLine("%s", line)
		}
	}
	if out := c.head[len(widths):]; len(out) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("Columns without space: %s. Use a wider terminal or -o csv.", strings.Join(out, ", ")))
	}
	for _, note := range c.notes {
		t.printf("%s\n", ui.Wrap(note, t.columns))
	}
}
