package daemon

import (
	"os"
	"slices"
	"strings"
)

// passed lists the caller's environment variables that a server program
// inherits. Other variables may hold credentials or settings such as PGOPTIONS.
var passed = [...]string{"PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}

// Environment returns the environment for a server program. Messages are in
// English.
func Environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.Contains(passed[:], name)
	})
	return append(env, "LC_ALL=C")
}
