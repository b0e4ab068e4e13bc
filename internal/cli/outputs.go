package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/nearest"
)

func newOutputsCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "outputs [KEY]",
		Short: "Show the stack's outputs, or the value of one.",
		Long: `Show the stack's outputs. With a KEY, only its value:
  curl "$(streamctl outputs ApiEndpoint)/events" …
--output env prints shell assignments: eval "$(streamctl outputs -o env)"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runOutputs(cmd.Context(), a, args) },
	}
}

func runOutputs(ctx context.Context, a *App, keys []string) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	found, err := op.Describe(ctx, v.StackName)
	if err != nil {
		return err
	}
	if !found.Status.HasReliableOutputs() {
		a.notef("stack %s is %s: %s; its outputs may be out of date", found.Name, found.Status, found.Status.Meaning())
	}
	if len(keys) == 1 {
		value, known := found.Outputs[keys[0]]
		if !known {
			names := sorted(found.Outputs)
			do := "it has " + strings.Join(names, ", ")
			if name := nearest.Name(keys[0], names); name != "" {
				do = "did you mean " + name + "? " + do
			}
			return &usageError{err: fmt.Errorf("stack %s has no output %q", v.StackName, keys[0]), hint: do}
		}
		return a.printResult(map[string]string{keys[0]: value}, func() { a.printf("%s\n", ui.Line(value)) })
	}
	if a.flags.output == "env" {
		for _, name := range sorted(found.Outputs) {
			a.printf("%s\n", shellAssignment(shellName(name), found.Outputs[name]))
		}
		return nil
	}
	return a.printResult(found.Outputs, func() { printOutputs(a, found.Outputs) })
}

// shellName returns an output's name as a variable: ApiEndpoint becomes API_ENDPOINT. A
// name with a meaning for a shell or a linker gets the prefix OUTPUT_.
func shellName(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && i > 0:
			b.WriteRune(unicode.ToUpper(r))
		case r >= 'A' && r <= 'Z':
			if i > 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	variable := b.String()
	if slices.Contains([]string{"", "PATH", "IFS", "ENV", "HOME", "SHELL", "BASH_ENV", "SHELLOPTS", "PROMPT_COMMAND", "PS1", "PS2", "PS4", "CDPATH", "EDITOR", "PAGER"}, variable) ||
		strings.HasPrefix(variable, "LD_") || strings.HasPrefix(variable, "DYLD_") || strings.HasPrefix(variable, "_") {
		return "OUTPUT_" + variable
	}
	return variable
}

// shellAssignment returns one line that sets a variable in any POSIX shell. Hidden
// characters are written for printf, so that the value stays exact and the line can be
// shown; the x protects newlines at the end of the value.
func shellAssignment(name, value string) string {
	if ui.Line(value) == value {
		return name + "=" + shellQuote(value)
	}
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c == '\'' || c == '%' || c == '\\' || c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	// A % written as \045 would still be a directive of printf's format.
	return fmt.Sprintf("%s=$(printf '%s'x); %s=${%s%%x}", name, strings.ReplaceAll(b.String(), `\045`, "%%"), name, name)
}

func shellQuote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
