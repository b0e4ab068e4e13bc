package event

import (
	"slices"
	"unicode/utf8"
)

// maxNames is the largest number of members of open objects that the parser tracks.
const maxNames = 64

// parser reads events in their usual form in one pass and without copying. It accepts
// nothing that decode rejects, and returns the same values. It leaves all other input,
// invalid events and a few rare forms, to decode, which also explains problems.
type parser struct {
	text []byte
	at   int
	// spaced is true after white space between tokens.
	spaced bool
	// keys is the number of members in properties, at all depths.
	keys int
	// names are the names of the members of all open objects.
	names [maxNames]struct{ start, end int32 }
	open  int
}

// next skips white space and returns the next byte; 0 at the end, which is not a token.
func (p *parser) next() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\n', '\r':
			p.spaced = true
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the next byte, if it is c.
func (p *parser) take(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}

// skip skips a text if it comes next, exactly.
func (p *parser) skip(text string) bool {
	if len(p.text)-p.at < len(text) || string(p.text[p.at:p.at+len(text)]) != text {
		return false
	}
	p.at += len(text)
	return true
}

func (p *parser) ended() bool { return p.next() == 0 && p.at == len(p.text) }

// value skips any value inside properties. depth is the value's depth if it is an
// object or an array.
func (p *parser) value(depth int) bool {
	switch c := p.next(); c {
	case '"':
		_, _, ok := p.str()
		return ok
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case 't':
		return p.skip("true")
	case 'f':
		return p.skip("false")
	case 'n':
		return p.skip("null")
	default:
		return p.number()
	}
}

func (p *parser) object(depth int) bool {
	if depth > MaxDepth {
		return false
	}
	first := p.open
	p.at++
	for more := !p.take('}'); more; {
		if p.next() != '"' {
			return false
		}
		name, escaped, ok := p.str()
		if !ok || escaped || !p.remember(first, name) {
			return false
		}
		if p.keys++; p.keys > MaxKeys || !p.take(':') || !p.value(depth+1) {
			return false
		}
		if more = p.take(','); !more && !p.take('}') {
			return false
		}
	}
	p.open = first
	return true
}

// remember records a name that ends before p.at. It returns false if its object already
// has the name or there are too many.
func (p *parser) remember(first int, name []byte) bool {
	if p.open == maxNames {
		return false
	}
	for _, n := range p.names[first:p.open] {
		if string(p.text[n.start:n.end]) == string(name) {
			return false
		}
	}
	end := int32(p.at - 1)
	p.names[p.open].start, p.names[p.open].end = end-int32(len(name)), end
	p.open++
	return true
}

func (p *parser) array(depth int) bool {
	if depth > MaxDepth {
		return false
	}
	p.at++
	for more := !p.take(']'); more; {
		if !p.value(depth + 1) {
			return false
		}
		if more = p.take(','); !more && !p.take(']') {
			return false
		}
	}
	return true
}

// str reads a string and returns the bytes between its quotes.
func (p *parser) str() (raw []byte, escaped, ok bool) {
	start := p.at + 1
	high := byte(0)
	for i := start; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == '"':
			p.at = i + 1
			raw = p.text[start:i]
			return raw, escaped, high < utf8.RuneSelf || utf8.Valid(raw)
		case c == '\\':
			n := escape(p.text[i:])
			if n == 0 {
				return nil, false, false
			}
			i += n - 1
			escaped = true
		case c < ' ':
			return nil, false, false
		}
		high |= c
	}
	return nil, false, false
}

// escape returns the length of the escape at the start of b; 0 if it is invalid,
// including NUL. A pair of surrogates is one escape.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		switch r := unit(b); {
		case r <= 0, r >= 0xdc00 && r < 0xe000:
			return 0
		case r < 0xd800 || r >= 0xe000:
			return 6
		}
		if r := unit(b[6:]); r >= 0xdc00 && r < 0xe000 {
			return 12
		}
	}
	return 0
}

// unit reads the four hexadecimal digits of an escape; -1 if b doesn't start with one.
func unit(b []byte) (r int) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

func (p *parser) number() bool {
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '-' {
		p.at++
	}
	if whole := p.digits(); whole == 0 || whole > 1 && p.text[p.at-whole] == '0' {
		return false
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return false
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return false
		}
		return checkNumber(p.text[start:p.at]) == ""
	}
	return p.at-start <= MaxNumberBytes
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.text) && p.text[p.at]-'0' <= 9 {
		p.at++
	}
	return p.at - start
}

// compact removes the white space between the tokens of valid JSON.
func compact(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case ' ', '\t', '\n', '\r':
		case '"':
			end, _ := stringEnd(raw, i)
			out = append(out, raw[i:end+1]...)
			i = end
		default:
			out = append(out, raw[i])
		}
	}
	return slices.Clip(out)
}
