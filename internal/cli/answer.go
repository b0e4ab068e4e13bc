package cli

import (
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/deploy"
)

// answer writes a result to stdout as json or yaml; with text, text does it.
func (a *App) answer(result any, text func()) error {
	switch a.flags.output {
	case "json":
		encoder := json.NewEncoder(a.Stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(result); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	case "yaml":
		// By way of JSON, so that both formats have the same keys.
		body, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		var generic any
		if err := json.Unmarshal(body, &generic); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		rendered, err := yaml.Marshal(generic)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if _, err := a.Stdout.Write(rendered); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	default:
		text()
	}
	return nil
}

func (a *App) printf(format string, args ...any) { fmt.Fprintf(a.Stdout, format, args...) }

func (a *App) notef(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

// report prints what an operation does, a line an event, to stderr. A resource
// that has only begun is left out unless --verbose asks for everything.
func (a *App) report(e deploy.Event) {
	if e.Kind == deploy.KindStep {
		a.notef("%s", e.Text)
		return
	}
	if !a.flags.verbose && !e.Failed() && begun(e.Status) {
		return
	}
	line := fmt.Sprintf("%s  %-26s %-38s %s", e.Time.Local().Format("15:04:05"), e.Status, e.Type, e.LogicalID)
	if e.Reason != "" && (a.flags.verbose || e.Failed() || e.Status == "DELETE_SKIPPED") {
		line += "  " + e.Reason
	}
	a.notef("%s", line)
}

func begun(status string) bool {
	switch status {
	case "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS":
		return true
	}
	return false
}
