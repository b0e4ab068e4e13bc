package cli

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
)

func newRenderCmd(a *App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the CloudFormation template to standard output.",
		Long: `Write the CloudFormation template for an environment to standard output.
Nothing is built and AWS isn't called: streamctl render > main.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRender(cmd.Context(), a, format) },
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	return cmd
}

func runRender(ctx context.Context, a *App, format string) error {
	if format != "yaml" && format != "json" {
		return &usageError{err: fmt.Errorf("--format %q: want yaml or json", format)}
	}
	// A template's few megabytes are garbage when the process ends, a moment
	// later: collecting them earlier took a fifth of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	t, keys, err := a.build(v)
	if err != nil {
		return err
	}
	render := t.YAML
	if format == "json" {
		render = t.JSON
	}
	body, err := render()
	if err != nil {
		return &invalidError{err: err}
	}
	if len(keys) < len(contract.Functions()) {
		a.notef("The functions' code isn't packaged yet, so their CodeKey parameters have no default: run `streamctl package` first.")
	}
	if format == "json" {
		body = ui.JSON(body)
	} else if body, err = visibleYAML(body); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	return a.write(body)
}
