package metric

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a path.
const (
	// maxNames is the maximum depth of a path below properties.
	maxNames = 8
	// maxNameRunes is the maximum length of a name, in characters.
	maxNameRunes = 100
)

// Names splits the path of a property: properties, then up to 8 names, each
// after a dot. A name with a dot, white space, a quote or a backslash is
// written as a JSON string: properties."order.total". Any name is possible this
// way.
func Names(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "properties")
	if !ok || rest == "" {
		return nil, fmt.Errorf("want a field such as properties.amount")
	}
	var all []string
	for rest != "" {
		if rest[0] != '.' {
			return nil, fmt.Errorf("want a dot before %s", shorten(rest))
		}
		name, after, err := nextName(rest[1:])
		if err != nil {
			return nil, err
		}
		all, rest = append(all, name), after
	}
	if len(all) > maxNames {
		return nil, fmt.Errorf("has %d names below properties; want at most %d", len(all), maxNames)
	}
	return all, nil
}

// nextName reads the name at the beginning of a text.
func nextName(text string) (name, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		end := 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(text) {
			return "", "", fmt.Errorf("the quote before %s is not closed", shorten(text[1:]))
		}
		raw, err := jsontext.AppendUnquote(nil, text[:end+1])
		if err != nil {
			return "", "", fmt.Errorf("%s is not a JSON string", shorten(text[:end+1]))
		}
		name, rest = string(raw), text[end+1:]
	} else {
		end := strings.IndexByte(text, '.')
		if end < 0 {
			end = len(text)
		}
		name, rest = text[:end], text[end:]
		if name == "" {
			return "", "", fmt.Errorf("a name is missing between dots; want a field such as properties.amount")
		}
		if !isBare(name) {
			return "", "", fmt.Errorf("%s: put a name with white space, quotes or dots in double quotes, such as properties.\"order total\"", shorten(name))
		}
	}
	if n := utf8.RuneCountInString(name); n > maxNameRunes || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", "", fmt.Errorf("%s: want a name of at most %d characters, without NUL", shorten(name), maxNameRunes)
	}
	return name, rest, nil
}

// isBare reports whether a name needs no quotes.
func isBare(name string) bool { return name != "" && !strings.ContainsAny(name, ". \t\r\n\f\v\"\\") }

// Canonical returns the form of a path that determines a metric's series: with
// quotes only around names that need them. An invalid path is returned
// unchanged.
func Canonical(path string) string {
	if !strings.Contains(path, `"`) {
		return path
	}
	all, err := Names(path)
	if err != nil {
		return path
	}
	text := []byte("properties")
	for _, name := range all {
		text = append(text, '.')
		if isBare(name) {
			text = append(text, name...)
		} else if text, err = jsontext.AppendQuote(text, name); err != nil {
			return path
		}
	}
	return string(text)
}

// canonicals returns the canonical form of each path.
func canonicals(paths []string) []string {
	if paths == nil {
		return nil
	}
	out := slices.Clone(paths)
	for i, path := range out {
		out[i] = Canonical(path)
	}
	return out
}

// shorten limits how much of a text a message repeats.
func shorten(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
