package sequence_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/sequence"
)

// random returns the events of a slice, with two properties.
func random(r *rand.Rand, events int) *sequence.Sequences {
	b := sequence.NewBuilder([]string{"properties.a", "properties.b"})
	for range events {
		b.Add(uint64(r.IntN(20))<<40, 1000+r.Int64N(100_000_000), [16]byte{byte(r.IntN(256))}, []string{"view", "click", "buy"}[r.IntN(3)],
			[]string{[]string{"", "sDE", "sUS"}[r.IntN(3)], []string{"", "n1", "n2"}[r.IntN(3)]})
	}
	return b.Build()[0]
}

func TestBlocksRoundTrip(t *testing.T) {
	var encoder sequence.Encoder
	var decoder sequence.Decoder
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 10, 1000, 5000} {
		want := random(r, n)
		block, err := encoder.Encode(want, 1000)
		if err != nil {
			t.Fatal(err)
		}
		again, err := encoder.Encode(want, 1000)
		if err != nil || !slices.Equal(block, again) {
			t.Errorf("the same events give other bytes: %v", err)
		}
		got, err := decoder.Decode(block, want.Paths)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Error(diff)
		}
		some, err := decoder.Decode(block, want.Paths[1:])
		if err != nil || len(some.Properties) != 1 {
			t.Errorf("one property: %v", err)
		}
		if _, err := decoder.Decode(block, []string{"properties.c"}); err == nil {
			t.Error("a missing property was decoded")
		}
		for i := range block {
			damaged := slices.Clone(block)
			damaged[i] ^= 1
			if _, err := decoder.Decode(damaged, want.Paths); err == nil {
				t.Fatalf("byte %d of %d changed: decoded", i, len(block))
			}
		}
	}
}

type event struct {
	Hash       uint64
	At         int64
	Type, A, B string
}

// texts returns the events of s with values instead of codes.
func texts(s *sequence.Sequences) (all []event) {
	for i, h := range s.Hashes {
		for j := s.Begin(i); j < s.Ends[i]; j++ {
			all = append(all, event{h, s.Times[j], s.Types.Values[s.Types.Codes[j]],
				s.Properties[0].Values[s.Properties[0].Codes[j]], s.Properties[1].Values[s.Properties[1].Codes[j]]})
		}
	}
	return all
}

func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	one, two := random(r, 100), random(r, 100)
	for i := range two.Times {
		two.Times[i] += 1_000_000_000
	}
	drop := map[uint64]bool{one.Hashes[0]: true}
	merged, err := sequence.Merge([]sequence.Part{{Sequences: one, Drop: drop}, {Sequences: two}}, one.Paths)
	if err != nil {
		t.Fatal(err)
	}
	var want []event
	for _, e := range texts(one) {
		if !drop[e.Hash] {
			want = append(want, e)
		}
	}
	want = append(want, texts(two)...)
	slices.SortStableFunc(want, func(a, b event) int {
		if a.Hash != b.Hash {
			return int(a.Hash>>40) - int(b.Hash>>40)
		}
		return int(a.At - b.At)
	})
	if diff := cmp.Diff(want, texts(merged)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	var encoder sequence.Encoder
	for _, n := range []int{1, 30, 300} {
		block, err := encoder.Encode(random(rand.New(rand.NewPCG(3, 3)), n), 1000)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block[:len(block)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var decoder sequence.Decoder
		s, err := decoder.Decode(sequence.Sum(body), []string{"properties.a"})
		if err != nil {
			return
		}
		again, err := encoder.Encode(s, s.Least())
		if err != nil {
			t.Fatalf("decoded events can't be encoded: %v", err)
		}
		if _, err := decoder.Decode(again, s.Paths); err != nil {
			t.Fatal(err)
		}
	})
}
