package segment_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/segment"
)

// TestWorkIsLinear measures the memory that hostile bodies take: twice the body takes at
// most three times as much, and the largest body at most a bounded multiple of it.
func TestWorkIsLinear(t *testing.T) {
	const one = `{"type":"page","userId":"u","timestamp":"2026-01-01T12:00:00Z"`
	repeat := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	batch := func(messages, rest string) string {
		return `{"batch":[` + strings.TrimSuffix(messages, ",") + "]" + rest + "}"
	}
	privacy := &segment.Privacy{Addresses: segment.TruncateAddresses, Drop: [][]string{{"traits"}, {"a", "a", "a"}}}
	for name, body := range map[string]func(n int) string{
		"messages": func(n int) string { return batch(repeat(one+"},", n), "") },
		"a context for messages": func(n int) string {
			return batch(repeat(one+"},", n/2), `,"context":{"ip":"1.2.3.4","a":"`+repeat("a", n/2)+`"}`)
		},
		"a short context": func(n int) string { return batch(repeat(one+"},", n-500), `,"context":{"a":"`+repeat("a", 400)+`"}`) },
		"a long context": func(n int) string {
			return batch(repeat(one+"},", n-16_000), `,"context":{"a":"`+repeat("a", 15_000)+`"}`)
		},
		"a context beside those of messages": func(n int) string {
			return batch(repeat(one+`,"context":{}},`, n/2), `,"context":{"a":"`+repeat("a", n/2)+`"}`)
		},
		"no messages":      func(n int) string { return batch(repeat("{},", n), "") },
		"white space":      func(n int) string { return batch(repeat(one+"}  \n\t  ,", n), "") },
		"batches":          func(n int) string { return `{` + repeat(`"batch":[{},{},{}],`, n) + `"batch":[]}` },
		"contexts":         func(n int) string { return `{` + repeat(`"context":{"a":1},`, n) + `"batch":[{}]}` },
		"names in batches": func(n int) string { return batch(repeat(one+`,`+names(1000)+`},`, n), "") },
		"equal names":      func(n int) string { return batch(repeat(one+`,`+repeat(`"a":1,`, 6000)+`"b":2},`, n), "") },
		"depth": func(n int) string {
			return batch(repeat(one+`,"p":`+repeat(`{"a":`, 15000)+"1"+repeat("}", 3000)+"},", n), "")
		},
		"lists":   func(n int) string { return batch(repeat(one+`,"p":`+repeat("[", 9000)+repeat("]", 9000)+"},", n), "") },
		"escapes": func(n int) string { return batch(repeat(one+`,"p":"`+repeat(`\u0000`, 9000)+`"},`, n), "") },
	} {
		t.Run(name, func(t *testing.T) {
			work := func(n int) float64 {
				text := []byte(body(n - 100))
				if len(text) > segment.MaxBodyBytes {
					t.Fatalf("%d bytes", len(text))
				}
				return float64(allocated(func() {
					r, err := segment.Parse(text, "")
					if err != nil {
						return
					}
					for i := range r.Messages() {
						_, _ = r.Event(i, receipt(privacy)) // valid or not
					}
				}))
			}
			half, whole := work(segment.MaxBodyBytes/2), work(segment.MaxBodyBytes)
			const constant = 1 << 20 // of the first call
			if whole > 3*half+constant {
				t.Errorf("%.0f bytes for half a body, %.0f for a whole one", half, whole)
			}
			if whole > 200*segment.MaxBodyBytes {
				t.Errorf("%.0f bytes for a body", whole)
			}
			t.Logf("%.1f and %.1f MB", half/1e6, whole/1e6)
		})
	}
}

// names returns n members with names of their own.
func names(n int) string {
	var out []string
	for i := range n {
		out = append(out, `"`+strings.Repeat("n", i%7)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))+`":1`)
	}
	return strings.Join(out, ",")
}

// allocated returns the bytes that a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
