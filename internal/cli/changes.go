package cli

import (
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/template"
)

// changeLines lists changes, a line per resource and per value that changes, at
// most width columns wide; 0 does not limit them.
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
	var notes []string
	if p.Recreate == "Always" || p.Recreate == "Conditionally" {
		notes = append(notes, "replacement: "+strings.ToLower(p.Recreate))
	}
	if effect := template.Effect(c.Type, p.Name); effect != "" && c.Action == "Modify" {
		notes = append(notes, effect)
	}
	note := ""
	if len(notes) > 0 {
		note = " (" + strings.Join(notes, "; ") + ")"
	}
	differences := ui.DiffValues(p.Name, p.Before, p.Before != "", p.After, p.After != "")
	if len(differences) == 0 {
		return []string{ui.Fit("    "+ui.Line(p.Name+note), width)}
	}
	for i, d := range differences {
		if i > 0 {
			note = ""
		}
		lines = append(lines, ui.Fit("    "+d.String(), max(0, width-len(note)))+note)
	}
	return lines
}
