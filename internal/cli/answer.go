package cli

import (
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// answer writes a result to stdout as json or yaml; with text, text does it. Where
// events are on stdout, the result is the last of them, and is written at the end.
func (a *App) answer(result any, text func()) error {
	a.endShow()
	if a.streams() {
		a.result = result
		return nil
	}
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

func (a *App) notef(format string, args ...any) {
	if a.showing != nil {
		a.showing.Note(fmt.Sprintf(format, args...))
		return
	}
	fmt.Fprintf(a.Stderr, format+"\n", args...)
}
