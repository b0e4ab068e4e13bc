package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

// printResult writes a result to stdout as JSON or YAML; with text, it calls text. If
// progress events are on stdout, the result becomes the last event, written when the
// verb ends. Hidden characters are written as escapes of the format, so that the values
// stay exact.
func (a *App) printResult(result any, text func()) error {
	return writeResult(a, a.flags.output, result, text)
}

// writeResult is printResult with an explicit format.
func writeResult(a *App, format string, result any, text func()) error {
	a.view.end()
	if a.view.streams() {
		a.view.result = result
		return nil
	}
	switch format {
	case "json":
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(result); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		return a.write(ui.JSON(b.Bytes()))
	case "yaml":
		// YAML is made from JSON, so that both formats have the same keys.
		body, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		var generic any
		if err := json.Unmarshal(body, &generic); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		rendered, err := yaml.Marshal(generic)
		if err == nil {
			rendered, err = visibleYAML(rendered)
		}
		if err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		return a.write(rendered)
	default:
		text()
		if err := a.out.Err(); err != nil {
			return &writeError{err}
		}
	}
	return nil
}

// write writes text that has no hidden characters.
func (a *App) write(text []byte) error {
	if _, err := a.out.Write(text); err != nil {
		return &writeError{err}
	}
	return nil
}

// writeError reports that standard output could not be written.
type writeError struct{ err error }

func (e *writeError) Error() string { return "write standard output: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// visibleYAML writes the hidden characters of a YAML text as its own escapes, which
// need double quotes.
func visibleYAML(text []byte) ([]byte, error) {
	if ui.Text(string(text)) == string(text) {
		return text, nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	quoteHidden(&document)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return ui.YAML(b.Bytes()), nil
}

func quoteHidden(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && ui.Line(n.Value) != n.Value {
		n.Style |= yaml.DoubleQuotedStyle
		n.Style &^= yaml.LiteralStyle | yaml.FoldedStyle | yaml.SingleQuotedStyle
	}
	for _, child := range n.Content {
		quoteHidden(child)
	}
}

// printf writes text to standard output. Values that belong on one line are shown
// with ui.Line or ui.Pad first.
func (a *App) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// promptf writes a question to standard error, without the end of a line.
func (a *App) promptf(format string, args ...any) { fmt.Fprintf(a.story, format, args...) }

// notef writes a line for people to standard error.
func (a *App) notef(format string, args ...any) { a.view.note(fmt.Sprintf(format, args...)) }
