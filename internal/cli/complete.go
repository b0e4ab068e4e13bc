package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

// addCompletions adds the values that a shell completes: environments, formats, outputs
// and metrics. Names come from the variables file; AWS is not called.
func addCompletions(a *App, root *cobra.Command) {
	fixed := func(cmd *cobra.Command, flag string, values []string) {
		// An error means that the flag doesn't exist: TestCompletion would miss its
		// values.
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed(root, "env", []string{config.Production, config.Staging, config.Development})
	_ = root.RegisterFlagCompletionFunc("output", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		for _, v := range verbs() {
			if name := v.build(a).Name(); strings.HasPrefix(cmd.CommandPath()+" ", "streamctl "+name+" ") {
				return v.formats, cobra.ShellCompDirectiveNoFileComp
			}
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	})
	names := map[string]func(context.Context, *App) []string{
		"streamctl outputs":        outputNames,
		"streamctl query":          metricNames,
		"streamctl metrics values": metricNames,
	}
	for path, list := range names {
		cmd, _, err := root.Find(strings.Fields(path)[1:])
		if err != nil {
			continue
		}
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return list(cmd.Context(), a), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// outputNames lists the outputs of the template for the variables; none without
// valid variables.
func outputNames(ctx context.Context, a *App) []string {
	v, err := a.load(ctx)
	if err != nil {
		return nil
	}
	t, err := template.Build(v, template.Options{})
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(t.Outputs))
	for name := range t.Outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// metricNames lists the built-in metrics and those in the variables.
func metricNames(ctx context.Context, a *App) []string {
	names := []string{"summary", "events", "users"}
	v, err := a.load(ctx)
	if err != nil {
		return names
	}
	for _, m := range v.Metrics {
		names = append(names, m.Name)
	}
	return names
}
