package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/failure"
)

const (
	passwordVariable = "STREAMCTL_DATABASE_PASSWORD"
	// passwordTries is how often a person can enter a password.
	passwordTries = 3
)

// passwordSource describes where a password was supplied; empty without one.
func passwordSource(a *App, v config.Variables, file string) string {
	switch {
	case a.Getenv(passwordVariable) != "":
		return passwordVariable
	case file != "":
		return "--database-password-file"
	case v.DatabasePassword != "":
		return a.flags.variables
	}
	return ""
}

// newPassword returns the master password from the environment, a file, the variables
// or a prompt without echo, in that order. It is never printed.
func newPassword(ctx context.Context, a *App, v config.Variables, file string) (string, error) {
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
		return "", &usageError{err: errors.New("DatabasePassword: needed to create the stack, and standard input is not a terminal"),
			hint: "set " + passwordVariable + " or name a file with --database-password-file"}
	}
	return askPassword(ctx, a, fd, v.DatabaseUsername)
}

// errPasswordsDiffer ends the questions for a password.
var errPasswordsDiffer error = &classError{"DatabasePassword: the two entries differ", failure.Invalid}

// askPassword asks for a new password twice. It asks again if the password is invalid
// or the entries differ. The terminal echoes neither: it is in raw mode from before the
// first question until after the last.
func askPassword(ctx context.Context, a *App, fd int, user string) (password string, err error) {
	defer a.view.pause()()
	state, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, state)) }()
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{a.Stdin, ui.Raw(a.story)}, "")
	read := func(question string) (string, error) {
		typed, err := ask(ctx, func() (string, error) { return screen.ReadPassword(question + ": ") })
		switch {
		case err == nil || ctx.Err() != nil:
			return typed, err
		case errors.Is(err, io.EOF): // Ctrl-C or Ctrl-D
			fmt.Fprintln(screen)
			return "", &declinedError{hint: "a new password is needed: set " + passwordVariable + ", or enter it here"}
		}
		return "", fmt.Errorf("read password: %w", err)
	}
	for try := 1; ; try++ {
		typed, err := read("New password of the database's master " + user)
		if err != nil {
			return "", err
		}
		wrong := checkPassword("the password", typed)
		if wrong == nil {
			again, err := read("The same password again")
			if err != nil {
				return "", err
			}
			if again == typed {
				return typed, nil
			}
			wrong = errPasswordsDiffer
		}
		if try == passwordTries {
			return "", wrong
		}
		fmt.Fprintf(screen, "%s\n", ui.Text(wrong.Error()))
	}
}

func checkPassword(source, password string) error {
	if err := config.CheckPassword(password); err != nil {
		return &config.InvalidError{File: source, Problems: []config.Problem{{Key: "DatabasePassword", What: err.Error()}}}
	}
	return nil
}
