package sqltext

import (
	"errors"
	"slices"
	"strings"
)

// Assignment is a SET statement.
type Assignment struct {
	// Name is the setting, in small letters.
	Name string
	// Value is the setting's value as set_config takes it. Default means its default
	// instead.
	Value   string
	Default bool
	// Local limits the assignment to the transaction.
	Local bool
	// Modes are the words of SET TRANSACTION, which assigns no setting; nil otherwise.
	Modes []string
}

var errSet = errors.New("SET: want SET name = value")

// ReadAssignment reads a SET statement. SET ROLE and SET SESSION AUTHORIZATION are
// errors.
func ReadAssignment(s Statement) (a Assignment, err error) {
	rest := s.tokens[min(1, len(s.tokens)):]
	if len(rest) > 0 && (rest[0].is("session") || rest[0].is("local")) {
		a.Local = rest[0].is("local")
		rest = rest[1:]
	}
	switch {
	case len(rest) < 2:
		return a, errSet
	case rest[0].is("transaction"), rest[0].is("characteristics"):
		for _, t := range rest {
			a.Modes = append(a.Modes, t.text)
		}
		return a, nil
	case rest[0].is("role"), rest[0].is("authorization"):
		return a, errors.New("the role of SQL users can't be changed")
	case rest[0].is("time") && rest[1].is("zone"):
		a.Name, rest = "timezone", rest[2:]
	case rest[0].is("names"):
		a.Name, rest = "client_encoding", rest[1:]
	case rest[1].is("to") || rest[1].is("="):
		a.Name, rest = strings.ToLower(rest[0].text), rest[2:]
	default:
		return a, errSet
	}
	a.Value, a.Default, err = value(a.Name, rest)
	return a, err
}

// value reads a list of values.
func value(name string, tokens []token) (text string, isDefault bool, err error) {
	if len(tokens) == 1 && (tokens[0].is("default") || name == "timezone" && tokens[0].is("local")) {
		return "", true, nil
	}
	var values []string
	sign, wanted := "", true
	for _, t := range tokens {
		switch {
		case t.is(",") && !wanted:
			wanted = true
			continue
		case !wanted:
			return "", false, errSet
		case (t.is("-") || t.is("+")) && sign == "":
			sign = strings.Trim(t.text, "+")
			continue
		case t.kind == number || t.kind == word:
			values = append(values, sign+t.text)
		case t.kind == literal && strings.HasPrefix(t.text, "'"):
			v := strings.ReplaceAll(t.text[1:len(t.text)-1], "''", "'")
			if name == "search_path" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
				v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			values = append(values, v)
		case t.kind == quoted && name == "search_path":
			values = append(values, `"`+strings.ReplaceAll(t.text, `"`, `""`)+`"`)
		case t.kind == quoted:
			values = append(values, t.text)
		default:
			return "", false, errSet
		}
		sign, wanted = "", false
	}
	if len(values) == 0 || wanted {
		return "", false, errSet
	}
	if len(values) > 1 && !slices.Contains([]string{"datestyle", "search_path"}, name) {
		return "", false, errors.New("SET " + name + ": want one value")
	}
	return strings.Join(values, ", "), false, nil
}
