// Package pattern compiles regular expressions when they are first used. The program
// has dozens, and a command uses a few.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression. It is safe for concurrent use.
type Pattern struct {
	text     string
	compiled func() *regexp.Regexp
}

// New returns a pattern. The first use panics if the text is not a regular expression.
func New(text string) *Pattern {
	return &Pattern{text: text, compiled: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

// String returns the text of the expression.
func (p *Pattern) String() string { return p.text }

// Regexp returns the compiled expression.
func (p *Pattern) Regexp() *regexp.Regexp { return p.compiled() }

// MatchString reports whether a text contains a match.
func (p *Pattern) MatchString(text string) bool { return p.compiled().MatchString(text) }

// FindStringSubmatch returns the first match and its groups, or nil.
func (p *Pattern) FindStringSubmatch(text string) []string {
	return p.compiled().FindStringSubmatch(text)
}

// Match reports whether a text contains a match.
func (p *Pattern) Match(text []byte) bool { return p.compiled().Match(text) }

// Find returns the first match, or nil.
func (p *Pattern) Find(text []byte) []byte { return p.compiled().Find(text) }
