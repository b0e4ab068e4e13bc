package segment

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the depth from which shallow removes values. It is more than an event may
// have, so a message without its deepest values is rejected for its depth.
const maxDepth = 64

// shallow replaces arrays and objects that are nested too deep by null. The rest of the
// text stays, also if it is not valid JSON.
func shallow(body []byte) jsontext.Value {
	out := make([]byte, 0, len(body))
	depth, isText := 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		kept := depth < maxDepth
		switch {
		case isText && c == '\\' && i+1 < len(body):
			if kept {
				out = append(out, c, body[i+1])
			}
			i++
			continue
		case c == '"':
			isText = !isText
		case isText:
		case c == '[' || c == '{':
			if depth++; depth == maxDepth {
				out = append(out, "null"...)
			}
			kept = kept && depth < maxDepth
		case c == ']' || c == '}':
			depth--
		}
		if kept {
			out = append(out, c)
		}
	}
	return out
}

// lists returns the number of members of an object that are named batch.
func lists(object jsontext.Value) (n int) {
	if bytes.Count(object, []byte(`"batch"`)) < 2 { // nearly always, and fast
		return 1
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), loose()...)
	if _, err := dec.ReadToken(); err != nil {
		return 0
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return n
		}
		if name.String() == "batch" {
			n++
		}
		if dec.SkipValue() != nil {
			return n
		}
	}
	return n
}
