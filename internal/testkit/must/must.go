// Package must handles tests whose tools are missing: a test is skipped unless
// the tool is on the list of required tools.
package must

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// variable lists the required tools, separated by commas; `make test` sets it.
const variable = "STREAMCTL_TEST_MUST_RUN"

// Have returns the path of a program, or ends the test: as a failure if the
// program is required, otherwise as a skip. hint explains how to install it.
func Have(t testing.TB, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv(variable), ","), program) {
		t.Fatalf("%s is required: %s", program, hint)
	}
	t.Skipf("%s is not here: %s", program, hint)
	return ""
}
