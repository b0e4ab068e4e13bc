// Package sqltext splits SQL text into statements and classifies them, with
// the lexical rules of PostgreSQL's own scanner. It decides which statements of
// an SQL user are forwarded to the database. Text is read with
// standard_conforming_strings on, the only value that sessions can have.
package sqltext

import (
	"strings"
)

// kind is the class of a token.
type kind int

const (
	word        kind = iota // an unquoted identifier or key word; its text is in small letters
	quoted                  // a quoted identifier; its text is decoded
	escapedName             // U&"…"
	literal                 // a string constant
	parameter               // $1
	number
	symbol // one character
)

// token is a token other than white space and comments.
type token struct {
	kind kind
	text string
	// start and end are byte offsets.
	start, end int
}

func (t token) is(text string) bool {
	return (t.kind == word || t.kind == symbol) && t.text == text
}

// SyntaxError is text that the scanner of PostgreSQL rejects too.
type SyntaxError struct {
	What string
	// Position is the offset of the error in characters, from 1.
	Position int
}

func (e *SyntaxError) Error() string { return e.What }

// lexer reads tokens.
type lexer struct {
	text string
	at   int
}

// scan returns the tokens of text.
func scan(text string) ([]token, error) {
	l := lexer{text: text}
	var tokens []token
	for {
		if err := l.skip(); err != nil {
			return nil, err
		}
		if l.at == len(text) {
			return tokens, nil
		}
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		t.end = l.at
		tokens = append(tokens, t)
	}
}

func (l *lexer) fail(what string, at int) error {
	return &SyntaxError{What: what, Position: len([]rune(l.text[:at])) + 1}
}

// rest reports whether the text continues with a prefix.
func (l *lexer) rest(prefix string) bool { return strings.HasPrefix(l.text[l.at:], prefix) }

// skip moves behind white space and comments.
func (l *lexer) skip() error {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case isSpace(c):
			l.at++
		case l.rest("--"):
			l.skipLine()
		case l.rest("/*"):
			if err := l.skipComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) skipLine() {
	if end := strings.IndexAny(l.text[l.at:], "\r\n"); end >= 0 {
		l.at += end
		return
	}
	l.at = len(l.text)
}

// skipComment moves behind a comment; comments nest.
func (l *lexer) skipComment() error {
	start, depth := l.at, 0
	for l.at < len(l.text) {
		switch {
		case l.rest("/*"):
			depth++
			l.at += 2
		case l.rest("*/"):
			depth--
			l.at += 2
			if depth == 0 {
				return nil
			}
		default:
			l.at++
		}
	}
	return l.fail("unterminated /* comment", start)
}

func (l *lexer) next() (token, error) {
	start := l.at
	c := l.text[l.at]
	switch {
	case c == '\'':
		return l.constant(start, false)
	case (c == 'e' || c == 'E') && l.followedBy(1, '\''):
		l.at++
		return l.constant(start, true)
	case strings.IndexByte("bBxXnN", c) >= 0 && l.followedBy(1, '\''):
		l.at++
		return l.constant(start, false)
	case (c == 'u' || c == 'U') && l.followedBy(1, '&') && l.followedBy(2, '\''):
		l.at += 2
		return l.constant(start, false)
	case (c == 'u' || c == 'U') && l.followedBy(1, '&') && l.followedBy(2, '"'):
		l.at += 2
		t, err := l.name(start)
		t.kind = escapedName
		return t, err
	case c == '"':
		return l.name(start)
	case c == '$':
		return l.dollar(start)
	case isNameStart(c):
		for l.at < len(l.text) && isNamePart(l.text[l.at]) {
			l.at++
		}
		return token{kind: word, text: strings.ToLower(l.text[start:l.at]), start: start}, nil
	case isDigit(c) || c == '.' && l.at+1 < len(l.text) && isDigit(l.text[l.at+1]):
		// A junk suffix such as 1a is the server's to reject.
		for l.at < len(l.text) && (isDigit(l.text[l.at]) || l.text[l.at] == '.' || l.text[l.at] == '_') {
			l.at++
		}
		return token{kind: number, text: l.text[start:l.at], start: start}, nil
	}
	l.at++
	return token{kind: symbol, text: l.text[start:l.at], start: start}, nil
}

func (l *lexer) followedBy(distance int, c byte) bool {
	return l.at+distance < len(l.text) && l.text[l.at+distance] == c
}

// constant reads a string constant from its quote. A constant continues behind
// white space with a line break, with the rules of its first part.
func (l *lexer) constant(start int, backslashes bool) (token, error) {
	for {
		closed := false
		for l.at++; l.at < len(l.text) && !closed; l.at++ {
			switch c := l.text[l.at]; {
			case backslashes && c == '\\':
				l.at++
			case c == '\'' && l.followedBy(1, '\''):
				l.at++
			case c == '\'':
				closed = true
			}
		}
		if !closed {
			return token{}, l.fail("unterminated quoted string", start)
		}
		end := l.at
		if !l.continues() {
			l.at = end
			return token{kind: literal, text: l.text[start:end], start: start}, nil
		}
	}
}

// continues moves to the next part of a string constant, if there is one. Between
// the parts may be white space and comments to the end of a line, with at least one
// line break.
func (l *lexer) continues() bool {
	lines := false
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == '\n' || c == '\r':
			lines = true
			l.at++
		case isSpace(c):
			l.at++
		case l.rest("--"):
			l.skipLine()
		default:
			return lines && c == '\''
		}
	}
	return false
}

// name reads a quoted identifier from its quote.
func (l *lexer) name(start int) (token, error) {
	var text strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		c := l.text[l.at]
		if c != '"' {
			text.WriteByte(c)
			continue
		}
		if !l.followedBy(1, '"') {
			l.at++
			return token{kind: quoted, text: text.String(), start: start}, nil
		}
		text.WriteByte(c)
		l.at++
	}
	return token{}, l.fail("unterminated quoted identifier", start)
}

// dollar reads a parameter or a dollar-quoted constant.
func (l *lexer) dollar(start int) (token, error) {
	end := start + 1
	for end < len(l.text) && isDigit(l.text[end]) {
		end++
	}
	if end > start+1 {
		l.at = end
		return token{kind: parameter, text: l.text[start:end], start: start}, nil
	}
	if end < len(l.text) && isNameStart(l.text[end]) {
		for end < len(l.text) && isNamePart(l.text[end]) && l.text[end] != '$' {
			end++
		}
	}
	if end == len(l.text) || l.text[end] != '$' {
		l.at++
		return token{kind: symbol, text: "$", start: start}, nil
	}
	tag := l.text[start : end+1]
	length := strings.Index(l.text[end+1:], tag)
	if length < 0 {
		return token{}, l.fail("unterminated dollar-quoted string", start)
	}
	l.at = end + 1 + length + len(tag)
	return token{kind: literal, text: l.text[start:l.at], start: start}, nil
}

func isSpace(c byte) bool     { return strings.IndexByte(" \t\n\r\f\v", c) >= 0 }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isNameStart(c byte) bool { return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isNamePart(c byte) bool  { return isNameStart(c) || isDigit(c) || c == '$' }
