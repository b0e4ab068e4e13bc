// Package sequence stores the events of users compactly: in columns, by user, in the
// order of their times.
package sequence

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Slices is the number of parts into which users are divided by their hash.
const Slices = 64

// sliceBits is the number of a hash's highest bits that select its slice.
const sliceBits = 6

// Hash identifies a user: the first 8 bytes of the SHA-256 of the user id. Two users
// with the same hash count as one.
func Hash(userID string) uint64 {
	sum := sha256.Sum256([]byte(userID))
	return binary.BigEndian.Uint64(sum[:])
}

// Slice returns the slice of a user's hash.
func Slice(hash uint64) int { return int(hash >> (64 - sliceBits)) }

// Column holds a text per event. A code is an index of Values. Code 0 is the empty text:
// a property that the event does not have.
type Column struct {
	Values []string
	Codes  []uint32
}

// Sequences holds the events of users, sorted by the users' hashes. The events of a user
// are in the order of (time, event id).
type Sequences struct {
	Hashes []uint64
	// Ends has the end of each user's events: those of user i begin at Ends[i-1].
	Ends []int
	// Times are microseconds since 1970.
	Times []int64
	Types Column
	// Paths are the paths of the properties, and Properties their values; see Value.
	Paths      []string
	Properties []Column
}

// Len returns the number of events.
func (s *Sequences) Len() int { return len(s.Times) }

// Begin returns the index of the first event of user i.
func (s *Sequences) Begin(i int) int {
	if i == 0 {
		return 0
	}
	return s.Ends[i-1]
}

// Builder collects events in any order. The zero value is not usable; see NewBuilder.
type Builder struct {
	paths      []string
	rows       []row
	types      dictionary
	properties []dictionary
	codes      []uint32 // len(paths) codes per row
}

type row struct {
	hash uint64
	at   int64
	id   [16]byte
	kind uint32
	n    uint32
}

// dictionary assigns codes to texts in the order of their first use.
type dictionary struct {
	codes  map[string]uint32
	values []string
	bytes  int64
}

func newDictionary() dictionary {
	return dictionary{codes: map[string]uint32{"": 0}, values: []string{""}}
}

func (d *dictionary) code(text string) uint32 {
	c, ok := d.codes[text]
	if !ok {
		c = uint32(len(d.values))
		d.codes[text] = c
		d.values = append(d.values, text)
		d.bytes += int64(len(text)) + TextBytes
	}
	return c
}

// TextBytes is the memory of a text in a dictionary, without its bytes.
const TextBytes = 96

// RowBytes returns the memory that a builder takes for an event with n properties,
// without new texts: while a slice grows, its old and new values exist.
func RowBytes(n int) int64 { return 2*(40+4*int64(n)) + 12 + 4*int64(n) }

// Bytes returns the approximate memory of the builder, and of what Build returns.
func (b *Builder) Bytes() int64 {
	n := int64(len(b.rows))*RowBytes(len(b.paths)) + b.types.bytes
	for i := range b.properties {
		n += b.properties[i].bytes
	}
	return n
}

// Bytes returns the approximate memory of the events.
func (s *Sequences) Bytes() int64 {
	n := int64(len(s.Times))*(12+4*int64(len(s.Properties))) + int64(len(s.Hashes))*32
	for _, c := range append([]Column{s.Types}, s.Properties...) {
		for _, v := range c.Values {
			n += int64(len(v)) + 16
		}
	}
	return n
}

// NewBuilder returns a builder for events with the properties at paths.
func NewBuilder(paths []string) *Builder {
	b := &Builder{paths: paths, types: newDictionary()}
	for range paths {
		b.properties = append(b.properties, newDictionary())
	}
	return b
}

// Add adds an event. values has the value of each path.
func (b *Builder) Add(hash uint64, at int64, id [16]byte, kind string, values []string) {
	b.rows = append(b.rows, row{hash, at, id, b.types.code(kind), uint32(len(b.rows))}) //nolint:gosec // memory limits the number
	for i := range b.paths {
		b.codes = append(b.codes, b.properties[i].code(values[i]))
	}
}

// Build returns the events, by slice. The builder is empty afterwards.
func (b *Builder) Build() map[int]*Sequences {
	slices.SortFunc(b.rows, func(x, y row) int {
		if c := cmp.Compare(x.hash, y.hash); c != 0 {
			return c
		}
		if c := cmp.Compare(x.at, y.at); c != 0 {
			return c
		}
		return bytes.Compare(x.id[:], y.id[:])
	})
	out := map[int]*Sequences{}
	for start := 0; start < len(b.rows); {
		slice, end := Slice(b.rows[start].hash), start
		for end < len(b.rows) && Slice(b.rows[end].hash) == slice {
			end++
		}
		out[slice] = b.slice(b.rows[start:end])
		start = end
	}
	b.rows, b.codes = nil, nil
	return out
}

func (b *Builder) slice(rows []row) *Sequences {
	s := &Sequences{Paths: b.paths, Times: make([]int64, len(rows)), Types: Column{b.types.values, make([]uint32, len(rows))}}
	for range b.paths {
		s.Properties = append(s.Properties, Column{Codes: make([]uint32, len(rows))})
	}
	for i, r := range rows {
		s.Times[i], s.Types.Codes[i] = r.at, r.kind
		for p := range b.paths {
			s.Properties[p].Codes[i] = b.codes[int(r.n)*len(b.paths)+p]
		}
		if i == 0 || r.hash != rows[i-1].hash {
			s.Hashes, s.Ends = append(s.Hashes, r.hash), append(s.Ends, i)
		}
		s.Ends[len(s.Ends)-1] = i + 1
	}
	for p := range b.paths {
		s.Properties[p].Values = b.properties[p].values
	}
	return s
}

// compact returns a column whose dictionary has only the used values, in the order of
// their first use.
func (c Column) compact() Column {
	out := Column{Values: []string{""}, Codes: make([]uint32, len(c.Codes))}
	codes := make([]uint32, len(c.Values))
	for i, code := range c.Codes {
		if code == 0 {
			continue
		}
		if codes[code] == 0 {
			codes[code] = uint32(len(out.Values))
			out.Values = append(out.Values, c.Values[code])
		}
		out.Codes[i] = codes[code]
	}
	return out
}
