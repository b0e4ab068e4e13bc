package insight_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/sequence"
)

// BenchmarkSlice decodes and evaluates a slice of 80,000 uniform events of 8,000 users
// in 37 day blocks.
func BenchmarkSlice(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var encoder sequence.Encoder
	var blocks [][]byte
	for day := range 37 {
		builder := sequence.NewBuilder(nil)
		at := from.AddDate(0, 0, day)
		for range 80_000 / 37 {
			user := sequence.Hash(fmt.Sprint(r.IntN(8000))) >> 6
			builder.Add(user, at.UnixMicro()+r.Int64N(86_400_000_000), [16]byte{}, []string{"page_view", "page_view", "click", "add_to_cart", "purchase"}[r.IntN(5)], nil)
		}
		block, err := encoder.Encode(builder.Build()[0], at.UnixMicro())
		if err != nil {
			b.Fatal(err)
		}
		blocks = append(blocks, block)
	}
	q, err := insight.Read("funnel", map[string]string{
		"steps": "page_view, add_to_cart, purchase", "from": from.Format(time.RFC3339), "to": from.AddDate(0, 0, 30).Format(time.RFC3339),
	}, from.AddDate(0, 0, 40))
	if err != nil {
		b.Fatal(err)
	}
	var decoder sequence.Decoder
	for b.Loop() {
		run := insight.NewRun(q)
		var parts []sequence.Part
		for _, block := range blocks {
			s, err := decoder.Decode(block, nil)
			if err != nil {
				b.Fatal(err)
			}
			parts = append(parts, sequence.Part{Sequences: s})
		}
		if err := run.AddSlice(0, parts); err != nil {
			b.Fatal(err)
		}
	}
}
