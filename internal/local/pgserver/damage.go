package pgserver

import (
	"fmt"
	"path/filepath"
	"strings"
)

// DamageError is a data folder whose files are damaged: PostgreSQL would refuse
// them or answer wrongly.
type DamageError struct {
	// Dir is the data folder of Options.
	Dir string
	// Files name each damaged file and the reason, or are the server's own words.
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

// Hint is the way out.
func (e *DamageError) Hint() string {
	return "nothing was changed. Put a copy of " + e.Dir + " back, which was made while local was stopped. Without a copy: every event is also in " +
		filepath.Join(filepath.Dir(e.Dir), "archive") + "; save that folder, then start over with --reset, which drops everything"
}
