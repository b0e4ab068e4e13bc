package stream

import (
	"bytes"
	"fmt"
	"testing"
)

// FuzzScan reads damaged segments: places lie within the file, in order, and
// every record found was written, or is valid.
func FuzzScan(f *testing.F) {
	g := &segment{first: 1}
	for i := range 5 {
		g.buffer(uint64(i+1), 1, "key", fmt.Appendf(nil, "data %d", i))
	}
	f.Add(bytes.Clone(g.pending), uint16(40), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, x byte) {
		if len(b) > 0 {
			b[int(at)%len(b)] ^= x
		}
		s := scan(b, 0, 1, 1000)
		end := int64(0)
		for i, p := range s.places {
			if p.bytes == 0 {
				continue
			}
			r, err := parse(b[p.at:])
			if err != nil || r.number != uint64(i+1) || p.at < end {
				t.Fatalf("place %d: %+v, %v", i, p, err)
			}
			end = p.at + int64(p.bytes)
		}
		if end != s.end {
			t.Fatalf("ends at %d, want %d", s.end, end)
		}
	})
}
