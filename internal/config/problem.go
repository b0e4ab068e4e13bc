package config

import (
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/failure"
)

// Problem is one thing wrong with the variables.
type Problem struct {
	// Key is the path of the key, such as Environments.staging.ShardCount.
	Key string
	// Line is where the key stands in the file; 0 means it isn't there.
	Line int
	// What says which value is wrong and what would be right. It never holds
	// a password.
	What string
}

// InvalidError holds everything that is wrong with a variables file.
type InvalidError struct {
	// File is the file's name as the user gave it.
	File     string
	Problems []Problem
}

// Class implements failure.Classified.
func (e *InvalidError) Class() failure.Class { return failure.Invalid }

// Error gives one line a problem, each with file, line and key.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		where := e.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d", e.File, p.Line)
		}
		if p.Key != "" {
			where += ": " + p.Key
		}
		lines[i] = where + ": " + p.What
	}
	return strings.Join(lines, "\n")
}
