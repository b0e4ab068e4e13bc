package stream

import (
	"fmt"
	"slices"
	"strings"
)

// Damage is one fault in the stream's files or in a consumer's checkpoints.
type Damage struct {
	// File is the path of the damaged or missing file.
	File string `json:"file"`
	// Offset and Bytes locate the unreadable part of the file. Zero bytes means
	// the whole file.
	Offset int64 `json:"offset,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"`
	// What describes the fault.
	What string `json:"what"`
	// Shard, First and Last give the accepted records that can't be read, by
	// sequence number, inclusive. First is empty if none is missing.
	Shard string `json:"shard,omitempty"`
	First string `json:"firstSequenceNumber,omitempty"`
	Last  string `json:"lastSequenceNumber,omitempty"`
	// Records is the number of missing records.
	Records uint64 `json:"records"`
}

func (d Damage) String() string {
	text := d.File + ": " + d.What
	if d.Bytes > 0 {
		text += fmt.Sprintf(" at byte %d (%d bytes)", d.Offset, d.Bytes)
	}
	switch {
	case d.Records == 1:
		text += fmt.Sprintf("; record %s of %s can't be read", d.First, d.Shard)
	case d.Records > 1:
		text += fmt.Sprintf("; %d records of %s can't be read, %s to %s", d.Records, d.Shard, d.First, d.Last)
	}
	return text
}

// DamageError is a stream that was not opened because records that it accepted
// may be missing.
type DamageError struct{ Damage []Damage }

// shown is how many faults an error lists.
const shown = 10

func (e *DamageError) Error() string {
	lines := []string{"the event stream is damaged:"}
	for i, d := range e.Damage {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Damage)-shown))
			break
		}
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n  ")
}

// Missing returns the number of accepted records that can't be read.
func (e *DamageError) Missing() (records uint64) {
	for _, d := range e.Damage {
		records += d.Records
	}
	return records
}

// span is a range of record numbers, inclusive.
type span struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (s span) count() uint64 { return s.Last - s.First + 1 }

// without returns the parts of s that are in none of the known spans.
func (s span) without(known []span) []span {
	rest := []span{s}
	for _, k := range known {
		var next []span
		for _, r := range rest {
			if k.Last < r.First || k.First > r.Last {
				next = append(next, r)
				continue
			}
			if k.First > r.First {
				next = append(next, span{r.First, k.First - 1})
			}
			if k.Last < r.Last {
				next = append(next, span{k.Last + 1, r.Last})
			}
		}
		rest = next
	}
	return rest
}

// merge sorts spans and joins adjacent ones.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.First < b.First {
			return -1
		}
		return 1
	})
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.First <= out[n-1].Last+1 {
			out[n-1].Last = max(out[n-1].Last, s.Last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// missingIn lists the records without a place from number first, which is
// places[0], up to end (exclusive).
func missingIn(places []place, first, end uint64) (spans []span) {
	for n := first; n < end; n++ {
		if i := n - first; i < uint64(len(places)) && places[i].bytes > 0 {
			continue
		} else if i >= uint64(len(places)) {
			return append(spans, span{n, end - 1})
		}
		if k := len(spans); k > 0 && spans[k-1].Last == n-1 {
			spans[k-1].Last = n
			continue
		}
		spans = append(spans, span{n, n})
	}
	return spans
}
