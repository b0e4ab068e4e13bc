package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

func newValidateCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the variables file and its template",
		Long: `Check the variables file for one environment, or without --env for all three, and
build the template. AWS is not called. Problems end with exit code 3.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runValidate(cmd.Context(), a) },
	}
}

// validated is the result of validate for one environment.
type validated struct {
	Environment string `json:"environment"`
	Stack       string `json:"stack"`
	Bytes       int    `json:"templateBytes"`
}

// validateEnvironment checks one environment.
func validateEnvironment(ctx context.Context, a *App, environment string) (validated, error) {
	v, err := loadFor(ctx, a, environment)
	if err != nil {
		return validated{}, err
	}
	t, _, err := buildTemplate(a, v)
	if err != nil {
		return validated{}, err
	}
	body, err := t.YAML()
	if err != nil {
		return validated{}, &invalidError{err: err}
	}
	return validated{Environment: v.Environment, Stack: v.StackName, Bytes: len(body)}, nil
}

// validation collects the problems of all environments, each once.
type validation struct {
	variables []config.Problem
	templates []error
}

// add returns an error that isn't about the content of the file.
func (p *validation) add(environment string, err error) error {
	var variables *config.InvalidError
	var template *invalidError
	switch {
	case errors.As(err, &variables):
		for _, problem := range variables.Problems {
			if !slices.Contains(p.variables, problem) {
				p.variables = append(p.variables, problem)
			}
		}
	case errors.As(err, &template):
		p.templates = append(p.templates, &invalidError{err: fmt.Errorf("%s: %w", environment, template.err)})
	default:
		return err
	}
	return nil
}

func (p *validation) join(file string) error {
	err := errors.Join(p.templates...)
	if len(p.variables) > 0 {
		slices.SortStableFunc(p.variables, func(x, y config.Problem) int { return x.Line - y.Line })
		err = errors.Join(&config.InvalidError{File: file, Problems: p.variables}, err)
	}
	return err
}

func runValidate(ctx context.Context, a *App) error {
	environments := []string{a.flags.environment}
	if a.flags.environment == "" {
		environments = []string{config.Production, config.Staging, config.Development}
	}
	var results []validated
	var problems validation
	for _, environment := range environments {
		r, err := validateEnvironment(ctx, a, environment)
		if err != nil {
			if err := problems.add(environment, err); err != nil {
				return err
			}
			continue
		}
		results = append(results, r)
	}
	if err := problems.join(a.flags.variables); err != nil {
		return err
	}
	return a.printResult(results, func() {
		for _, r := range results {
			note := ""
			if r.Bytes > template.MaxBodyBytes {
				note = " (deploy passes it by S3)"
			}
			a.printf("%s: stack %s, template of %d bytes%s\n", r.Environment, r.Stack, r.Bytes, note)
		}
	})
}
