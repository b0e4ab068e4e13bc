package must

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// accounts is the name in the list for tests that act as another user.
const accounts = "accounts"

// Accounts ends the test where it can't act as other users of the machine, which
// takes root: as a failure if the list has "accounts", otherwise as a skip.
func Accounts(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if slices.Contains(strings.Split(os.Getenv(variable), ","), accounts) {
		t.Fatal("this test must run: run it as root, it acts as other users of the machine")
	}
	t.Skip("NOT RUN: only root can act as other users of the machine")
}
