package gateway

import "strings"

// parseQuery parses a query string as API Gateway does: only & separates
// parameters, + is a space, and nothing is an error. A % that is not followed
// by two hexadecimal digits is kept; bytes that aren't UTF-8 become U+FFFD. The
// values of a name keep their order.
func parseQuery(raw string) map[string][]string {
	query := map[string][]string{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = unescape(name)
		query[name] = append(query[name], unescape(value))
	}
	return query
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return validText(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			out = append(out, byte(hex(s[i+1])<<4|hex(s[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return validText(string(out))
}

func validText(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// hex returns the value of a hexadecimal digit, or -1.
func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
