package insight

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/decimal"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/sequence"
)

// Selection selects events.
type Selection struct {
	// Type is empty for every type.
	Type    string   `json:"type,omitempty"`
	Filters []Filter `json:"filters,omitempty"`
	// Text is the selection as written.
	Text string `json:"text"`
}

// Operators of filters.
const (
	opExists  = "exists"
	opIs      = "="
	opIsNot   = "!="
	opMore    = ">"
	opLess    = "<"
	opAtLeast = ">="
	opAtMost  = "<="
)

// Filter compares a property.
type Filter struct {
	// Path is the property's canonical path.
	Path string `json:"path"`
	Op   string `json:"op"`
	// Values has the values of sequence.Value that opIs accepts, or one number.
	Values []string `json:"values,omitempty"`
}

// ParseSelections parses selections separated by commas:
//
//	page_view{page="/pricing", plan in (pro, team)}, "Order Completed", purchase{amount>10}
func ParseSelections(text string) (all []Selection, err error) {
	p := parser{rest: text}
	for {
		s, err := p.selection()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if p.skipSpace(); p.rest == "" {
			return all, nil
		}
		if !p.next(",") {
			return nil, fmt.Errorf("want a comma before %s", shorten(p.rest))
		}
	}
}

// ParseFilters parses filters separated by commas: country=DE, amount>10, coupon.
func ParseFilters(text string) ([]Filter, error) {
	p := parser{rest: text}
	filters, err := p.filters()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("want a comma before %s", shorten(p.rest))
	}
	return filters, err
}

// ParsePath returns the canonical path of a property, which may lack its first part:
// country, properties.country, properties."order total".
func ParsePath(text string) (string, error) {
	if text == "properties" || !strings.HasPrefix(text, "properties.") {
		text = "properties." + text
	}
	if _, err := metric.Names(text); err != nil {
		return "", err //nolint:wrapcheck // names the text
	}
	return metric.Canonical(text), nil
}

type parser struct{ rest string }

func (p *parser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// next skips a symbol if it comes next.
func (p *parser) next(symbol string) bool {
	p.skipSpace()
	rest, ok := strings.CutPrefix(p.rest, symbol)
	if ok {
		p.rest = rest
	}
	return ok
}

// word reads a JSON string, or a text up to one of the stops.
func (p *parser) word(stops string) (text string, quoted bool, err error) {
	p.skipSpace()
	if strings.HasPrefix(p.rest, `"`) {
		end := quoteEnd(p.rest)
		if end < 0 {
			return "", true, fmt.Errorf("the quote before %s is not closed", shorten(p.rest[1:]))
		}
		raw, err := jsontext.AppendUnquote(nil, p.rest[:end])
		if err != nil {
			return "", true, fmt.Errorf("%s is not a JSON string", shorten(p.rest[:end]))
		}
		p.rest = p.rest[end:]
		return string(raw), true, nil
	}
	end := strings.IndexAny(p.rest, stops)
	if end < 0 {
		end = len(p.rest)
	}
	text, p.rest = strings.TrimRight(p.rest[:end], " \t\r\n"), p.rest[end:]
	return text, false, nil
}

// quoteEnd returns the end of the quoted text at the beginning; -1 if it has none.
func quoteEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func (p *parser) selection() (s Selection, err error) {
	p.skipSpace()
	start := p.rest
	name, quoted, err := p.word(`{},()="<>`)
	if err != nil {
		return s, err
	}
	if s.Type = name; name == "*" && !quoted {
		s.Type = ""
	} else if err := event.CheckType(name); err != nil {
		return s, fmt.Errorf("event type %q %w; write * for every type", shorten(name), err)
	}
	if p.next("{") {
		if s.Filters, err = p.filters(); err != nil {
			return s, err
		}
		if !p.next("}") {
			return s, fmt.Errorf("want } after the filters of %s", shorten(name))
		}
	}
	s.Text = strings.TrimSpace(start[:len(start)-len(p.rest)])
	return s, nil
}

func (p *parser) filters() (all []Filter, err error) {
	for {
		f, err := p.filter()
		if err != nil {
			return nil, err
		}
		if all = append(all, f); len(all) > MaxFilters {
			return nil, fmt.Errorf("more than %d filters", MaxFilters)
		}
		if !p.next(",") {
			return all, nil
		}
	}
}

// path reads the path of a property, whose names may be quoted.
func (p *parser) path() (string, error) {
	p.skipSpace()
	end := 0
	for end < len(p.rest) && !strings.ContainsRune(" \t\r\n=!<>,(){}", rune(p.rest[end])) {
		if p.rest[end] == '"' {
			n := quoteEnd(p.rest[end:])
			if n < 0 {
				return "", fmt.Errorf("the quote before %s is not closed", shorten(p.rest[end+1:]))
			}
			end += n - 1
		}
		end++
	}
	text := p.rest[:end]
	p.rest = p.rest[end:]
	if text == "" {
		return "", errors.New("want a property such as country")
	}
	return ParsePath(text)
}

func (p *parser) filter() (f Filter, err error) {
	if f.Path, err = p.path(); err != nil {
		return f, err
	}
	p.skipSpace()
	if rest, ok := strings.CutPrefix(p.rest, "in"); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "(") {
		p.rest = rest
		p.next("(")
		f.Op = opIs
		return f, p.list(&f)
	}
	for _, op := range []string{opIsNot, opAtLeast, opAtMost, opIs, opMore, opLess} {
		if p.next(op) {
			f.Op = op
			break
		}
	}
	if f.Op == "" {
		f.Op = opExists
		return f, nil
	}
	value, quoted, err := p.word(",{}()")
	if err != nil {
		return f, err
	}
	if f.Op == opIs || f.Op == opIsNot {
		f.Values = accepted(value, quoted)
		return f, checkValue(f.Path, value, quoted)
	}
	if !metric.IsNumber(value) || quoted {
		return f, fmt.Errorf("%s %s %q: want a number, such as %s10", f.Path, f.Op, shorten(value), f.Op)
	}
	f.Values = []string{sequence.Number(value)}
	return f, nil
}

// checkValue rejects a value without quotes that is probably a mistake.
func checkValue(path, value string, quoted bool) error {
	switch {
	case quoted:
		return nil
	case value == "":
		return fmt.Errorf("%s: want a value; an empty text is written \"\"", path)
	case strings.ContainsAny(value[:1], "=<>!"):
		return fmt.Errorf("%s: want one of the operators =, !=, >, >=, < and <=; a value that begins with %s is written in double quotes", path, value[:1])
	}
	return nil
}

// list reads the values of in up to the closing parenthesis.
func (p *parser) list(f *Filter) error {
	for {
		value, quoted, err := p.word(",{}()")
		if err != nil {
			return err
		}
		if err := checkValue(f.Path, value, quoted); err != nil {
			return err
		}
		if f.Values = append(f.Values, accepted(value, quoted)...); len(f.Values) > 300 {
			return fmt.Errorf("%s: more than 100 values", f.Path)
		}
		if p.next(")") {
			return nil
		}
		if !p.next(",") {
			return fmt.Errorf("%s: want ) after the values", f.Path)
		}
	}
}

// accepted returns the values that a written value equals: text, and without quotes also
// the number or the boolean.
func accepted(value string, quoted bool) []string {
	all := []string{string(sequence.KindText) + value}
	if quoted {
		return all
	}
	if metric.IsNumber(value) {
		all = append(all, sequence.Number(value))
	}
	if value == "true" || value == "false" {
		all = append(all, string(sequence.KindBool)+value)
	}
	return all
}

// matches reports whether a value of sequence.Value passes the filter.
func (f *Filter) matches(value string) bool {
	switch f.Op {
	case opExists:
		return value != ""
	case opIs, opIsNot:
		for _, v := range f.Values {
			if v == value {
				return f.Op == opIs
			}
		}
		return f.Op == opIsNot
	}
	if value == "" || value[0] != sequence.KindNumber {
		return false
	}
	x, err := decimal.Parse(value[1:])
	y, otherErr := decimal.Parse(f.Values[0][1:])
	if err != nil || otherErr != nil {
		return false
	}
	switch c := x.Cmp(y); f.Op {
	case opMore:
		return c > 0
	case opLess:
		return c < 0
	case opAtLeast:
		return c >= 0
	default:
		return c <= 0
	}
}

func shorten(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
