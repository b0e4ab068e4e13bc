package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/streamctl/streamctl/internal/config"
)

const passwordVariable = "STREAMCTL_DATABASE_PASSWORD"

// password finds the master password: the environment, a file, the variables,
// a prompt without echo, in that order. It is never printed.
func (a *App) password(ctx context.Context, v config.Variables, file string) (string, error) {
	if p := a.Getenv(passwordVariable); p != "" {
		return p, checkPassword(passwordVariable, p)
	}
	if file != "" {
		text, err := ask(ctx, func() ([]byte, error) { return os.ReadFile(file) })
		if err != nil && ctx.Err() != nil {
			return "", err
		}
		if err != nil {
			return "", &usageError{err: fmt.Errorf("read --database-password-file: %w", err)}
		}
		p := strings.TrimRight(string(text), "\r\n")
		return p, checkPassword(file, p)
	}
	if v.DatabasePassword != "" {
		return v.DatabasePassword, nil // checked when the file was read
	}
	fd, ok := terminal(a.Stdin)
	if !ok {
		return "", &usageError{err: errors.New("DatabasePassword: needed to create the stack, and there is no terminal to ask on"),
			hint: "set " + passwordVariable + " or name a file with --database-password-file"}
	}
	a.promptf("Password for the database's master %s: ", v.DatabaseUsername)
	typed, err := askSecret(ctx, fd)
	a.promptf("\n")
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return typed, checkPassword("the password", typed)
}

func checkPassword(source, password string) error {
	if what := config.CheckPassword(password); what != "" {
		return &config.InvalidError{File: source, Problems: []config.Problem{{Key: "DatabasePassword", What: what}}}
	}
	return nil
}
