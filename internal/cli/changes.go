package cli

import (
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/template"
)

// changeLines lists changes, one line per resource and per changed value, at most width
// columns wide; 0 does not limit them.
func changeLines(changes []stack.Change, width int) (lines []string) {
	for _, c := range changes {
		line := fmt.Sprintf("%s %s (%s)", c.Action, c.LogicalID, c.Type)
		if c.Replacement == "True" || c.Replacement == "Conditional" {
			line += ", replacement: " + c.Replacement
		}
		lines = append(lines, ui.Fit(ui.Line(line), width))
		for _, p := range c.Properties {
			lines = append(lines, propertyLines(c, p, width)...)
		}
	}
	return lines
}

func propertyLines(c stack.Change, p stack.Property, width int) (lines []string) {
	const indent = "    "
	for _, d := range ui.DiffValues(p.Name, p.Before, p.Before != "", p.After, p.After != "") {
		lines = append(lines, d.Lines(max(0, width-len(indent)))...)
	}
	if len(lines) == 0 {
		lines = append(lines, ui.Fit(ui.Line(p.Name), max(0, width-len(indent))))
	}
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	note := propertyNote(c, p)
	switch first := lines[0] + " (" + note + ")"; {
	case note == "":
	case width <= 0 || len(lines) == 1 && ui.Width(first) <= width:
		lines[0] = first
	default:
		for line := range strings.SplitSeq(ui.Wrap("("+note+")", width-len(indent)-2), "\n") {
			lines = append(lines, ui.Fit(indent+"  "+line, width))
		}
	}
	return lines
}

// propertyNote is the effect of a changed property; empty if it has none.
func propertyNote(c stack.Change, p stack.Property) string {
	var notes []string
	if p.Recreate == "Always" || p.Recreate == "Conditionally" {
		notes = append(notes, "replacement: "+strings.ToLower(p.Recreate))
	}
	if effect := template.Effect(c.Type, p.Name); effect != "" && c.Action == "Modify" {
		notes = append(notes, effect)
	}
	return strings.Join(notes, "; ")
}

// indented returns the changes as an indented list, for use below a heading.
func indented(changes []stack.Change, width int) []string {
	const indent = "  "
	lines := changeLines(changes, max(0, width-len(indent)))
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}
