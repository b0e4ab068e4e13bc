package ui

import "strings"

// Wrap breaks a shown text between words into lines of at most so many columns; 0 does
// not limit them. A longer word gets its own line.
func Wrap(s string, columns int) string {
	if columns <= 0 {
		return s
	}
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(s) {
		width := Width(word)
		switch {
		case i > 0 && used+1+width > columns:
			b.WriteByte('\n')
			used = 0
		case i > 0:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += width
	}
	return b.String()
}
