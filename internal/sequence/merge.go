package sequence

import (
	"cmp"
	"slices"
)

// Part is the events of one slice in one span. Users in Drop are ignored: another part
// of the same span has all of their events.
type Part struct {
	*Sequences
	Drop map[uint64]bool
}

// EachUser calls each for every user of the parts, which are of one slice, in the order
// of the hashes. entries
// are the parts with events of the user, in the order of parts.
func EachUser(parts []Part, each func(hash uint64, entries []Entry) error) error {
	all := collect(parts)
	var entries []Entry
	for start := 0; start < len(all); {
		entries = entries[:0]
		end := start
		for ; end < len(all) && all[end].hash == all[start].hash; end++ {
			p, i := parts[all[end].part].Sequences, int(all[end].user)
			entries = append(entries, Entry{int(all[end].part), p.Begin(i), p.Ends[i]})
		}
		if err := each(all[start].hash, entries); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// Hashes are spread evenly: users are sorted into buckets by the bits below those of the
// slice, and then within each bucket, which is three times as fast as sorting them.
const (
	bucketBits  = 12
	bucketShift = 64 - sliceBits - bucketBits
	bucketMask  = 1<<bucketBits - 1
)

func bucket(hash uint64) int { return int(hash>>bucketShift) & bucketMask }

// collect returns the users of all parts, in the order of (hash, part).
func collect(parts []Part) []found {
	ends := make([]int, 1<<bucketBits)
	n := 0
	for _, p := range parts {
		for _, h := range p.Hashes {
			if !p.Drop[h] {
				ends[bucket(h)]++
				n++
			}
		}
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	all := make([]found, n)
	next := append([]int{0}, ends[:len(ends)-1]...)
	for i, p := range parts {
		for j, h := range p.Hashes {
			if !p.Drop[h] {
				b := bucket(h)
				all[next[b]] = found{h, int32(i), int32(j)}
				next[b]++
			}
		}
	}
	start := 0
	for _, end := range ends {
		slices.SortFunc(all[start:end], func(a, b found) int {
			if c := cmp.Compare(a.hash, b.hash); c != 0 {
				return c
			}
			return cmp.Compare(a.part, b.part)
		})
		start = end
	}
	return all
}

type found struct {
	hash       uint64
	part, user int32
}

// Entry is a user's events in a part, from Begin (inclusive) to End (exclusive).
type Entry struct{ Part, Begin, End int }

// Merge returns the events of all parts, which must be in the order of time for each
// user, with the properties at paths.
func Merge(parts []Part, paths []string) (*Sequences, error) {
	m := merger{types: newDictionary(), out: &Sequences{Paths: paths}}
	for range paths {
		m.out.Properties = append(m.out.Properties, Column{})
		m.properties = append(m.properties, newDictionary())
	}
	for _, p := range parts {
		m.add(p.Sequences)
	}
	err := EachUser(parts, func(hash uint64, entries []Entry) error {
		for _, e := range entries {
			m.append(parts[e.Part].Sequences, e)
		}
		m.out.Hashes, m.out.Ends = append(m.out.Hashes, hash), append(m.out.Ends, len(m.out.Times))
		return nil
	})
	m.out.Types.Values = m.types.values
	for i := range m.properties {
		m.out.Properties[i].Values = m.properties[i].values
	}
	return m.out, err
}

type merger struct {
	out        *Sequences
	types      dictionary
	properties []dictionary
	// translated has the new codes of each part's columns, the types first.
	translated map[*Sequences][][]uint32
}

func (m *merger) add(s *Sequences) {
	if m.translated == nil {
		m.translated = map[*Sequences][][]uint32{}
	}
	tables := [][]uint32{Translate(s.Types.Values, m.types.code)}
	for i := range m.out.Paths {
		tables = append(tables, Translate(s.Properties[i].Values, m.properties[i].code))
	}
	m.translated[s] = tables
}

// Translate returns the new code of each value.
func Translate(values []string, code func(string) uint32) []uint32 {
	table := make([]uint32, len(values))
	for i, v := range values {
		table[i] = code(v)
	}
	return table
}

func (m *merger) append(s *Sequences, e Entry) {
	tables := m.translated[s]
	m.out.Times = append(m.out.Times, s.Times[e.Begin:e.End]...)
	for _, code := range s.Types.Codes[e.Begin:e.End] {
		m.out.Types.Codes = append(m.out.Types.Codes, tables[0][code])
	}
	for i := range m.out.Properties {
		c := &m.out.Properties[i]
		for _, code := range s.Properties[i].Codes[e.Begin:e.End] {
			c.Codes = append(c.Codes, tables[i+1][code])
		}
	}
}
