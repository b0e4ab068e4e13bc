// Package must decides what happens to a test whose tool is missing: it skips,
// unless the tool is on the list of those that have to be there.
package must

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// variable lists the tools that have to be there, separated by commas; `make
// test` sets it.
const variable = "STREAMCTL_TEST_MUST_RUN"

// Have gives the path of a program, or ends the test: as a failure where the
// program has to be there, as a skip elsewhere. Hint says how to get it.
func Have(t testing.TB, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv(variable), ","), program) {
		t.Fatalf("%s must be here: %s", program, hint)
	}
	t.Skipf("%s is not here: %s", program, hint)
	return ""
}
