package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
)

func newOutputsCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "outputs [KEY]",
		Short: "Show the stack's outputs, or the value of one.",
		Long: `Show the stack's outputs. With a KEY, only its value:
  curl "$(streamctl outputs ApiEndpoint)/events" …
--output env writes lines for a shell: eval "$(streamctl outputs -o env)"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runOutputs(cmd.Context(), a, args) },
	}
}

func runOutputs(ctx context.Context, a *App, keys []string) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	stack, err := op.Describe(ctx, v.StackName)
	if err != nil {
		return err
	}
	if !stack.Status.OutputsHold() {
		a.notef("stack %s is %s: %s; its outputs may not hold", stack.Name, stack.Status, stack.Status.Meaning())
	}
	if len(keys) == 1 {
		value, known := stack.Outputs[keys[0]]
		if !known {
			return &usageError{err: fmt.Errorf("stack %s has no output %q", v.StackName, keys[0]),
				hint: "it has " + strings.Join(sorted(stack.Outputs), ", ")}
		}
		return a.answer(map[string]string{keys[0]: value}, func() { a.printf("%s\n", value) })
	}
	if a.flags.output == "env" {
		for _, name := range sorted(stack.Outputs) {
			a.printf("%s=%s\n", shellName(name), shellQuote(stack.Outputs[name]))
		}
		return nil
	}
	return a.answer(stack.Outputs, func() { a.printOutputs(stack.Outputs) })
}

// shellName is an output's name as a variable: ApiEndpoint is API_ENDPOINT.
func shellName(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

func shellQuote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
