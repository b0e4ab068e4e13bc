package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

func newValidateCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the variables file and the template it makes.",
		Long: `Check the variables file for an environment, or, without --env, for all three,
and build the template. AWS isn't called. Exit code 3 if anything is wrong.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runValidate(cmd.Context(), a) },
	}
}

// validated is the answer of validate for one environment.
type validated struct {
	Environment string `json:"environment"`
	Stack       string `json:"stack"`
	Bytes       int    `json:"templateBytes"`
}

func runValidate(ctx context.Context, a *App) error {
	environments := []string{a.flags.environment}
	if a.flags.environment == "" {
		environments = []string{config.Production, config.Staging, config.Development}
	}
	var results []validated
	for _, environment := range environments {
		a.flags.environment = environment
		v, err := a.load(ctx)
		if err != nil {
			return err
		}
		t, _, err := a.build(v)
		if err != nil {
			return err
		}
		body, err := t.YAML()
		if err != nil {
			return &invalidError{err: err}
		}
		results = append(results, validated{Environment: environment, Stack: v.StackName, Bytes: len(body)})
	}
	return a.answer(results, func() {
		for _, r := range results {
			note := ""
			if r.Bytes > template.MaxBodyBytes {
				note = " (deploy passes it by S3)"
			}
			a.printf("%s: stack %s, template of %d bytes%s\n", r.Environment, r.Stack, r.Bytes, note)
		}
	})
}
