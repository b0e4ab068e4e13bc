// Command lint reports phrases in the module's prose that are hard to understand, as
// file:line: phrase: advice. The exit code is 1 if there are any.
package main

import (
	"fmt"
	"os"

	"github.com/streamctl/streamctl/internal/testkit/prose"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	findings, err := prose.CheckTree(os.DirFS(root))
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
	if len(findings) > 0 {
		fmt.Fprintf(os.Stderr, "prose: %d phrases to rewrite; quote code in backticks\n", len(findings))
		os.Exit(1)
	}
}
