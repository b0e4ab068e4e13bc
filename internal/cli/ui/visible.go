// Package ui writes text to terminals. It shows text from events, AWS, files and users
// in a form that can't control the terminal and hides nothing.
package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Hidden reports whether a character controls the terminal or is invisible: control
// characters, bidirectional and other format characters, line and paragraph separators,
// tags and invisible letters. Visible marks of Arabic and other scripts are format
// characters too, but not hidden; neither is the emoji selector.
func Hidden(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	switch {
	case r >= 0x600 && r <= 0x605, r == 0x6dd, r == 0x70f, r == 0x890, r == 0x891, r == 0x8e2, r == 0x110bd, r == 0x110cd:
		return false // visible
	case r == 0x34f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r >= 0x180b && r <= 0x180f, r == 0x3164, r == 0xffa0:
		return true // invisible letters and selectors
	case r >= 0x2060 && r <= 0x206f, r >= 0xfff0 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff:
		return true // format characters, also those that are not assigned yet
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Text shows hidden characters and bytes that aren't UTF-8 as escapes such as \x1b,
// \u202e and \xff. Newlines and tabs stay. Text is idempotent.
func Text(s string) string { return shown(s, "\n\t") }

// Line is Text for a value that belongs on one line: newlines and tabs are escaped too.
func Line(s string) string { return shown(s, "") }

func shown(s, keep string) string {
	i := indexHidden(s, keep)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < utf8.RuneSelf && strings.IndexByte(keep, byte(r)) >= 0 || !Hidden(r):
			b.WriteString(s[i : i+size])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// indexHidden returns the index of the first byte that is shown as an escape, or -1.
func indexHidden(s, keep string) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || Hidden(r) && (c >= utf8.RuneSelf || strings.IndexByte(keep, c) < 0) {
			return i
		}
		i += size
	}
	return -1
}

// JSON writes the hidden characters of a JSON text as JSON's own escapes: the value
// stays the same. In a JSON text they occur in strings only.
func JSON(text []byte) []byte { return escaped(text, `\u%04x`, true) }

// YAML does the same for a YAML text in which every scalar with such a character is in
// double quotes.
func YAML(text []byte) []byte { return escaped(text, `\U%08x`, false) }

// escaped keeps newlines and tabs between values.
func escaped(text []byte, format string, pairs bool) []byte {
	s := string(text)
	i := indexHidden(s, "\n\t\r")
	if i < 0 {
		return text
	}
	out := append([]byte{}, text[:i]...)
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...) // as a decoder reads them
		case !Hidden(r) || r == '\n' || r == '\t' || r == '\r':
			out = append(out, s[i:i+size]...)
		case r > 0xffff && pairs:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, format, r)
		}
		i += size
	}
	return out
}

// Width returns the number of terminal columns that a text takes once it is shown.
func Width(s string) int {
	n := 0
	for _, r := range Text(s) {
		n += columns(r)
	}
	return n
}

func columns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Pad shows a value on one line and pads it with spaces to a width in columns.
func Pad(s string, columns int) string {
	s = Line(s)
	return s + strings.Repeat(" ", max(0, columns-Width(s)))
}

// Head returns the longest prefix of a shown text that fits into a width in columns.
func Head(s string, most int) string {
	n := 0
	for i, r := range s {
		if n += columns(r); n > most {
			return s[:i]
		}
	}
	return s
}
