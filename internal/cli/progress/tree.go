package progress

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

// row is a line of the tree.
type row struct {
	mark  string
	tint  color // of the mark
	head  string
	body  string
	shade color // of the body
	// rank decides which rows are left out if the window is too low: the highest first.
	rank int
}

// Ranks of rows.
const (
	rankTitle = iota
	rankFailure
	rankActive
	rankPart
	rankDone
	rankMore
)

const (
	// shown is the largest number of active resources listed below a part.
	shown = 3
	// reasonLines is the largest number of lines of a reason; the error at the end has
	// all of it.
	reasonLines = 3
)

// tree draws the state as lines that fit into a window of width by height.
func (s *state) tree(now time.Time, width, height int, colors bool) []string {
	rows := s.rows(now, width)
	rows = fit(rows, max(1, height-1)) // the cursor needs a line too
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.text(width-1, colors)
	}
	return out
}

func (r row) text(width int, colors bool) string {
	mark, head := r.mark, r.head
	if head != "" {
		head = clip(head, width-ui.Width(mark))
	}
	body := clip(r.body, max(0, width-ui.Width(mark)-ui.Width(head)))
	if !colors {
		return strings.TrimRight(mark+head+body, " ")
	}
	if body == "" {
		head = strings.TrimRight(head, " ")
	}
	return r.tint.paint(mark) + head + r.shade.paint(body)
}

// rows returns all rows.
func (s *state) rows(now time.Time, width int) []row {
	var out []row
	if s.running {
		out = append(out, row{head: s.headline(now), rank: rankTitle})
		for p := range parts {
			out = append(out, s.partRows(p, now, width)...)
		}
	}
	switch {
	case s.waitingFor != "":
		out = append(out, row{mark: "  · ", tint: yellow, head: "waiting for " + clean(s.waitingFor) + ", " + span(now.Sub(s.waitingDue)), rank: rankTitle})
	case s.step != "":
		out = append(out, row{mark: "  · ", tint: yellow, head: clean(s.step) + ", " + span(now.Sub(s.stepped)), rank: rankTitle})
	}
	return out
}

// headline describes the operation on the stack.
func (s *state) headline(now time.Time) string {
	done, of := s.counts()
	count := fmt.Sprintf("%d of %d resources", done, of)
	if !s.total {
		count = fmt.Sprintf("%d resources", done)
	}
	return fmt.Sprintf("%s stack %s: %s, %s", s.phase.title, s.stack, count, span(s.elapsed(s.began, now)))
}

// partRows returns the rows of one part.
func (s *state) partRows(p part, now time.Time, width int) []row {
	var all, active, failed []*resource
	done := 0
	for _, r := range s.sorted() {
		if partOf(r.id, r.kind) != p {
			continue
		}
		all = append(all, r)
		switch {
		case r.failed != "":
			failed = append(failed, r)
		case r.active:
			active = append(active, r)
		}
		if r.done {
			done++
		}
	}
	if len(all) == 0 {
		return nil
	}
	count := fmt.Sprintf("%d/%d", done, len(all))
	if !s.total {
		count = fmt.Sprint(done)
	}
	head := row{mark: "    ", head: fmt.Sprintf("%-11s %6s  ", p, count), rank: rankPart}
	switch {
	case len(failed) > 0:
		head.mark, head.tint, head.rank = "  ✗ ", red, rankFailure
	case len(active) > 0:
		head.mark, head.tint, head.rank = "  ● ", yellow, rankActive
	case done == len(all):
		head.mark, head.tint, head.rank = "  ✓ ", green, rankDone
	}
	indent := strings.Repeat(" ", len([]rune(head.head)))
	rows := []row{}
	add := func(body string, shade color, rank int) {
		if len(rows) == 0 {
			head.body, head.shade = body, shade
			rows = append(rows, head)
			return
		}
		rows = append(rows, row{mark: "    ", head: indent, body: body, shade: shade, rank: rank})
	}
	room := max(20, width-1-4-len(indent))
	for _, r := range failed {
		for _, line := range wrap(clean(r.id+": "+r.failed), room, reasonLines) {
			add(line, red, rankFailure)
		}
	}
	for i, r := range active {
		if i == shown && len(active) > shown+1 {
			add(fmt.Sprintf("and %d more", len(active)-shown), plain, rankMore)
			break
		}
		for _, line := range wrap(s.doing(r, now), room, 2) {
			add(line, plain, rankMore)
		}
	}
	if len(rows) == 0 {
		rows = append(rows, head)
	}
	return rows
}

// fit leaves out rows, highest rank first, until the rest fits, and reports the number
// in the last line.
func fit(rows []row, height int) []row {
	left := 0
	for rank := rankMore; rank > rankTitle; rank-- {
		for i := len(rows) - 1; i > 0 && len(rows)+min(left, 1) > height; i-- {
			if rows[i].rank == rank {
				rows = slices.Delete(rows, i, i+1)
				left++
			}
		}
	}
	if left > 0 && len(rows) < height {
		rows = append(rows, row{mark: "    ", head: fmt.Sprintf("… and %d more lines", left), rank: rankTitle})
	}
	return rows[:min(len(rows), height)]
}

// summary returns the line or two that stay on the screen.
func (s *state) summary(now time.Time) []string {
	if s.phase == (phase{}) {
		return nil
	}
	done, of := s.counts()
	if s.running {
		out := []string{s.headline(now) + " so far"}
		if active := s.active(); len(active) > 0 {
			out = append(out, "  "+s.waitingText(now))
		}
		return out
	}
	took := span(s.ended.Sub(s.began))
	if s.of > 0 {
		var failed []string
		for _, r := range s.sorted() {
			if r.failed != "" {
				failed = append(failed, r.id)
			}
		}
		text := fmt.Sprintf("Undone after %d of %d resources, in %s", s.undone, s.of, took)
		if len(failed) > 0 {
			text += "; failed: " + clip(strings.Join(failed, ", "), 200)
		}
		return []string{text}
	}
	text := fmt.Sprintf("%d of %d resources in %s", done, of, took)
	if !s.total {
		text = fmt.Sprintf("%d resources in %s", done, took)
	}
	longest := s.sorted()
	slices.SortStableFunc(longest, func(a, b *resource) int { return cmp.Compare(b.took, a.took) })
	var named []string
	for _, r := range longest[:min(shown, len(longest))] {
		if r.took >= time.Second {
			named = append(named, r.id+" "+span(r.took))
		}
	}
	if len(named) > 0 {
		text += "; longest: " + strings.Join(named, ", ")
	}
	return []string{text}
}

// waitingText describes the resources or steps in progress, and since when.
func (s *state) waitingText(now time.Time) string {
	var all []string
	if s.waitingFor != "" {
		all = append(all, clean(s.waitingFor)+", "+span(now.Sub(s.waitingDue)))
	}
	active := s.active()
	for i, r := range active {
		if i == shown && len(active) > shown+1 {
			all = append(all, fmt.Sprintf("%d more", len(active)-shown))
			break
		}
		text := fmt.Sprintf("%s (%s since %s, %s", r.id, verb(r.status), r.since.Local().Format("15:04:05"), span(s.elapsed(r.since, now)))
		if u := typicalDuration(r.kind, r.status); u != "" {
			text += "; usually " + u
		}
		all = append(all, text+")")
	}
	return "waiting for " + strings.Join(all, ", ")
}
