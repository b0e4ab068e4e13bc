package pgserver

import (
	"fmt"
	"path/filepath"
	"strings"
)

// DamageError is a data folder with damaged files: PostgreSQL would reject them
// or return wrong results.
type DamageError struct {
	// Dir is the data folder of Options.
	Dir string
	// Files lists each damaged file with the reason, or the server's own
	// messages.
	Files []string
}

func (e *DamageError) Error() string {
	const most = 10
	shown := e.Files
	text := ""
	if len(shown) > most {
		shown, text = shown[:most], fmt.Sprintf("\n… and %d more", len(e.Files)-most)
	}
	return "PostgreSQL's files are damaged:\n" + strings.Join(shown, "\n") + text
}

func (e *DamageError) Hint() string {
	return "nothing was changed. Restore " + e.Dir + " from a copy that was made while `streamctl local` was stopped. Without a copy: every event is also in " +
		filepath.Join(filepath.Dir(e.Dir), "archive") + "; save that folder, then start over with --reset, which deletes everything"
}
