package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

func newKeysSecretCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Create the secret for hashing user ids",
		Long: `Create the secret with which ingest hashes user ids if Privacy.HashUserIds is true. It is
a SecureString in Systems Manager's Parameter Store, named after the stack, and is printed
nowhere. An existing secret stays: with another one, every user would get another id.
Run this before the first deploy with HashUserIds.`,
		Example: "  streamctl keys secret && streamctl deploy",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runKeysSecret(cmd.Context(), a) },
	}
}

// idSecret is the result of `keys secret`.
type idSecret struct {
	Parameter string `json:"parameter"`
	// Created is false if the secret existed.
	Created bool `json:"created"`
}

func runKeysSecret(ctx context.Context, a *App) error {
	v, _, err := a.login(ctx)
	if err != nil {
		return err
	}
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return err
	}
	r := idSecret{Parameter: contract.UserIDParameter(v.StackName), Created: true}
	err = awshttp.Parameters{AWS: cfg}.Create(ctx, r.Parameter, contract.NewUserIDSecret(), "Hashes the user ids of "+v.StackName+". Another value changes every id.")
	if errors.Is(err, awshttp.ErrParameterExists) {
		r.Created, err = false, nil
	}
	if err != nil {
		return err
	}
	return a.printResult(r, func() {
		if !r.Created {
			a.printf("The secret exists: parameter %s in %s\n", r.Parameter, cfg.Region)
			return
		}
		a.printf("Created the secret: parameter %s in %s\n", r.Parameter, cfg.Region)
	})
}

// leftSecret returns the secret that a destroy leaves, if user ids are hashed.
func leftSecret(v config.Variables) []stack.Leftover {
	if !v.Privacy.HashUserIds {
		return nil
	}
	return []stack.Leftover{{
		Type: "AWS::SSM::Parameter", PhysicalID: contract.UserIDParameter(v.StackName),
		Why: "the secret for hashing user ids, which a stack with the same users needs again; `aws ssm delete-parameter` deletes it",
	}}
}
