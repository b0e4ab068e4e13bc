package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
)

func newInitCmd(a *App) *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a variables file with every key and its default.",
		Long: `Write a variables file with every key and its default. On a terminal, init asks for the
email address that receives the platform's alarms.

  streamctl init --alarm-email oncall@example.com`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runInit(cmd.Context(), a, email, cmd.Flags().Changed("alarm-email"))
		},
	}
	cmd.Flags().StringVar(&email, "alarm-email", "", "email address for alarms; empty for none (default: asked for on a terminal)")
	return cmd
}

// initialized is the result of init.
type initialized struct {
	File       string `json:"file"`
	AlarmEmail string `json:"alarmEmail,omitempty"`
}

// runInit writes the file; it never overwrites one.
func runInit(ctx context.Context, a *App, email string, given bool) (err error) {
	taken := &usageError{err: fmt.Errorf("%s already exists", a.flags.variables), hint: "name another file with --variables"}
	if _, err := os.Lstat(a.flags.variables); err == nil {
		return taken
	}
	if email != "" {
		if err := config.CheckEmail(email); err != nil {
			return &usageError{err: fmt.Errorf("--alarm-email %q: %w", email, err)}
		}
	} else if !given {
		if email, err = askEmail(ctx, a); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(a.flags.variables, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return taken
	}
	if err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	_, err = f.WriteString(variablesWith(email))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	result := initialized{File: a.flags.variables, AlarmEmail: email}
	if err := a.printResult(result, func() { a.printf("%s\n", ui.Line(a.flags.variables)) }); err != nil {
		return err
	}
	if email == "" {
		a.notef("No address for alarms: set AlarmEmail, or nobody receives them.")
	}
	a.notef("Edit it, then run `streamctl deploy`.")
	return nil
}

// emailTries is how often a person can enter an address.
const emailTries = 3

// askEmail asks for an address on a terminal; without one it returns "".
func askEmail(ctx context.Context, a *App) (string, error) {
	_, reads := terminal(a.Stdin)
	_, shows := terminal(a.Stderr)
	if !reads || !shows || a.flags.output != "text" {
		return "", nil
	}
	for try := 1; ; try++ {
		a.promptf("Email address for alarms (empty for none): ")
		line, err := a.askLine(ctx)
		if err != nil {
			return "", err
		}
		email := strings.TrimSpace(line)
		if email == "" {
			return "", nil
		}
		if err = config.CheckEmail(email); err == nil {
			return email, nil
		}
		if try == emailTries {
			return "", &usageError{err: fmt.Errorf("AlarmEmail %q: %w", email, err), hint: "run `streamctl init` again"}
		}
		a.notef("%s: %v", ui.Line(email), err)
	}
}

// variablesWith returns the default variables file with an address for alarms.
func variablesWith(email string) string {
	const example = "# AlarmEmail: oncall@example.com"
	if email == "" {
		return streamctl.Variables
	}
	return strings.Replace(streamctl.Variables, example, "AlarmEmail: "+email, 1)
}
