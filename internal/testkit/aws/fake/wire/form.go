package wire

import (
	"fmt"
	"net/url"
	"strconv"
)

// Form reads the parameters of a Query call.
type Form struct{ url.Values }

// List reads Name.member.1, Name.member.2, and so on.
func (f Form) List(name string) []string {
	var out []string
	for i := 1; ; i++ {
		key := fmt.Sprintf("%s.member.%d", name, i)
		if !f.Has(key) {
			return out
		}
		out = append(out, f.Get(key))
	}
}

// Structs reads Name.member.1.Field and so on, as one map of fields each.
func (f Form) Structs(name string, fields ...string) []map[string]string {
	var out []map[string]string
	for i := 1; ; i++ {
		item := map[string]string{}
		for _, field := range fields {
			if key := fmt.Sprintf("%s.member.%d.%s", name, i, field); f.Has(key) {
				item[field] = f.Get(key)
			}
		}
		if len(item) == 0 {
			return out
		}
		out = append(out, item)
	}
}

// Bool reads true or false; false if missing.
func (f Form) Bool(name string) bool { return f.Get(name) == "true" }

// Int reads a number; fallback if missing or invalid.
func (f Form) Int(name string, fallback int) int {
	if n, err := strconv.Atoi(f.Get(name)); err == nil {
		return n
	}
	return fallback
}
