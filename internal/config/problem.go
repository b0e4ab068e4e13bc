package config

import (
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/failure"
)

// Problem is one problem of the variables.
type Problem struct {
	// Key is the path of the key, such as Environments.staging.ShardCount.
	Key string
	// Line is the line of the key in the file; 0 means that the file doesn't set it.
	Line int
	// What describes the value and the valid values. It never contains a password.
	What string
}

// InvalidError contains all problems of a variables file.
type InvalidError struct {
	// File is the file's name as the user gave it.
	File     string
	Problems []Problem
}

// Class implements failure.Classified.
func (e *InvalidError) Class() failure.Class { return failure.Invalid }

// Error returns one line per problem, each with file, line and key.
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
