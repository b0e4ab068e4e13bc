package must

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// accounts is the list entry for tests that act as another user.
const accounts = "accounts"

// Accounts ends the test if it can't act as other users of the machine, which
// requires root: as a failure if the list contains "accounts", otherwise as a
// skip.
func Accounts(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if slices.Contains(strings.Split(os.Getenv(variable), ","), accounts) {
		t.Fatal("this test must run: run it as root, because it acts as other users of the machine")
	}
	t.Skip("NOT RUN: only root can act as other users of the machine")
}
