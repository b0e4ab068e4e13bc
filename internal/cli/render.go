package cli

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
)

func newRenderCmd(a *App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the CloudFormation template to standard output.",
		Long: `Write the CloudFormation template for an environment to standard output.
Nothing is built and AWS is not called: streamctl render > main.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRender(cmd.Context(), a, format) },
	}
	cmd.Flags().StringVar(&format, "format", "", "yaml or json; the same as --output (default: yaml)")
	return cmd
}

// renderFormat returns --format, or else --output, whose default is YAML here.
func renderFormat(a *App, format string) (string, error) {
	switch {
	case format != "" && format != "yaml" && format != "json":
		return "", &usageError{err: fmt.Errorf("--format %q: want yaml or json", format)}
	case format != "" && a.flags.output != "text" && format != a.flags.output:
		return "", &usageError{err: fmt.Errorf("--format %s and --output %s: give only one", format, a.flags.output)}
	case format == "json" || a.flags.output == "json":
		return "json", nil
	}
	return "yaml", nil
}

func runRender(ctx context.Context, a *App, format string) error {
	format, err := renderFormat(a, format)
	if err != nil {
		return err
	}
	// A template's few megabytes are garbage when the process ends a moment later;
	// collecting them earlier took a fifth of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	t, keys, err := buildTemplate(a, v)
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
		a.notef("The functions' code is not packaged yet, so their CodeKey parameters have no default: run `streamctl package` first.")
	}
	if v.ApiGatewayAccountRole == config.AccountRoleCreate {
		a.notef("The template sets the account's role for API Gateway's logs. If `aws apigateway get-account` shows a cloudwatchRoleArn, set ApiGatewayAccountRole: existing first; `streamctl deploy` checks it.")
	}
	if len(body) > template.MaxBodyBytes {
		a.notef("The template has %s bytes; create-stack accepts %s with --template-body. `streamctl package` uploads it and prints the command with --template-url; `streamctl deploy` needs no change.",
			thousands(int64(len(body))), thousands(template.MaxBodyBytes))
	}
	if format == "json" {
		body = ui.JSON(body)
	} else if body, err = visibleYAML(body); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	return a.write(body)
}
