package stream

import "encoding/binary"

// scanned is the content of a segment's file.
type scanned struct {
	// places are the records' places, from the segment's first number on,
	// including missing records between readable ones.
	places []place
	// end is the offset after the last readable record.
	end int64
	// gaps are the unreadable parts of the file, up to end.
	gaps []gap
}

// gap is an unreadable part of a file. If last is first-1, no record is
// missing.
type gap struct {
	at, end     int64
	first, last uint64
}

// scan finds a segment's records in the content of its file. After an
// unreadable part it searches for the next record with a number below limit.
func scan(b []byte, begin int64, first, limit uint64) scanned {
	s := scanned{end: begin}
	at, n := int(begin), first
	for at < len(b) && n < limit {
		r, err := parse(b[at:])
		if err != nil || r.number != n {
			q, m := resync(b, at, n, limit)
			if q < 0 {
				break
			}
			s.gaps = append(s.gaps, gap{at: int64(at), end: int64(q), first: n, last: m - 1})
			for ; n < m; n++ {
				s.places = append(s.places, place{})
			}
			at = q
			continue
		}
		size := headerBytes + len(r.key) + len(r.data)
		s.places = append(s.places, place{int64(at), int32(size)})
		at, n = at+size, n+1
		s.end = int64(at)
	}
	return s
}

// resync finds the first record after an unreadable part that begins at byte
// at, where record n was expected. It returns -1 if no record follows.
func resync(b []byte, at int, n, limit uint64) (next int, number uint64) {
	possible := func(q int) (uint64, bool) {
		if len(b)-q < headerBytes {
			return 0, false
		}
		m := binary.LittleEndian.Uint64(b[q+12:])
		if m < n || m >= limit {
			return 0, false
		}
		r, err := parse(b[q:])
		return m, err == nil && r.number == m
	}
	// Usually the damaged record's lengths still lead to the next record.
	if len(b)-at >= headerBytes {
		length := uint64(binary.LittleEndian.Uint32(b[at+4:])) + uint64(binary.LittleEndian.Uint32(b[at+8:]))
		if length <= MaxRecord {
			q := at + headerBytes + int(length)
			if m, ok := possible(q); ok && m == n+1 {
				return q, m
			}
		}
	}
	for q := at; len(b)-q >= headerBytes; q++ {
		if m, ok := possible(q); ok {
			return q, m
		}
	}
	return -1, 0
}
