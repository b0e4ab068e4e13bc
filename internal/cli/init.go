package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

func newInitCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a variables file with every key and its default.",
		RunE:  func(*cobra.Command, []string) error { return runInit(a) },
	}
}

// initialized is the result of init.
type initialized struct {
	File string `json:"file"`
}

// runInit writes the file; it never overwrites one.
func runInit(a *App) (err error) {
	f, err := os.OpenFile(a.flags.variables, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return &usageError{err: fmt.Errorf("%s already exists", a.flags.variables), hint: "name another file with --variables"}
	}
	if err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	_, err = f.WriteString(streamctl.Variables)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	if err := a.printResult(initialized{a.flags.variables}, func() { a.printf("%s\n", ui.Line(a.flags.variables)) }); err != nil {
		return err
	}
	a.notef("Edit it, then run `streamctl deploy`.")
	return nil
}
