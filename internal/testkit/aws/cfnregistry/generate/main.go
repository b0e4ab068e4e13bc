// Command generate writes the program's table of CloudFormation's permissions to the
// file that is its argument.
package main

import (
	"fmt"
	"os"

	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the file to write; got %d", len(args))
	}
	text, err := cfnregistry.Table()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], text, 0o600)
}
