package sequence

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// version is the first byte of a block.
const version = 1

// maxInflate limits what a damaged block makes Decode allocate, in bytes per byte.
const maxInflate = 1100 // deflate's largest ratio is 1,032

// Encoder encodes blocks. The zero value is ready; it is not safe for concurrent use.
type Encoder struct{ deflate *flate.Writer }

// Encode returns the events as a block. base is the beginning of their span in
// microseconds since 1970. Equal events give equal bytes.
func (e *Encoder) Encode(s *Sequences, base int64) ([]byte, error) {
	out := []byte{version}
	out = binary.AppendVarint(out, base)
	out = binary.AppendUvarint(out, uint64(len(s.Hashes)))
	out = binary.AppendUvarint(out, uint64(len(s.Times)))
	last := uint64(0)
	for _, h := range s.Hashes {
		out = binary.AppendUvarint(out, h-last)
		last = h
	}
	for i := range s.Hashes {
		out = binary.AppendUvarint(out, uint64(s.Ends[i]-s.Begin(i)))
	}
	for i := range s.Hashes {
		at := base
		for _, t := range s.Times[s.Begin(i):s.Ends[i]] {
			if t < at {
				return nil, fmt.Errorf("encode block: time %d is before %d", t, at)
			}
			out = binary.AppendUvarint(out, uint64(t-at))
			at = t
		}
	}
	out, err := e.appendColumn(out, s.Types)
	if err != nil {
		return nil, err
	}
	out = binary.AppendUvarint(out, uint64(len(s.Paths)))
	for i, path := range s.Paths {
		out = appendText(out, path)
		if out, err = e.appendColumn(out, s.Properties[i]); err != nil {
			return nil, err
		}
	}
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out)), nil
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// minDeflate is the size from which a column is compressed.
const minDeflate = 64

// appendColumn appends the stored size of a column, its size before compression, and the
// dictionary and codes. Equal sizes mean that it is not compressed.
func (e *Encoder) appendColumn(out []byte, c Column) ([]byte, error) {
	c = c.compact()
	raw := binary.AppendUvarint(nil, uint64(len(c.Values)-1))
	for _, v := range c.Values[1:] {
		raw = appendText(raw, v)
	}
	for _, code := range c.Codes {
		raw = binary.AppendUvarint(raw, uint64(code))
	}
	stored := raw
	if len(raw) >= minDeflate {
		packed, err := e.compress(raw)
		if err != nil {
			return nil, fmt.Errorf("encode block: %w", err)
		}
		if len(packed) < len(raw) {
			stored = packed
		}
	}
	out = binary.AppendUvarint(out, uint64(len(stored)))
	out = binary.AppendUvarint(out, uint64(len(raw)))
	return append(out, stored...), nil
}

func (e *Encoder) compress(raw []byte) ([]byte, error) {
	var packed bytes.Buffer
	if e.deflate == nil {
		w, err := flate.NewWriter(&packed, flate.DefaultCompression)
		if err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		e.deflate = w
	} else {
		e.deflate.Reset(&packed)
	}
	if _, err := e.deflate.Write(raw); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := e.deflate.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return packed.Bytes(), nil
}

var errDamaged = errors.New("the block is damaged")

// reader reads numbers and texts. After the first error it returns zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count reads the number of items that follow, each of at least one byte.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	if r.bad {
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

// Decoder decodes blocks. The zero value is ready; it is not safe for concurrent use.
type Decoder struct{ inflate io.ReadCloser }

// Decode decodes a block with the types and the properties at the given paths. A path
// that the block does not have is an error.
func (d *Decoder) Decode(block []byte, paths []string) (*Sequences, error) {
	s, err := d.decode(block, paths)
	if err != nil {
		return nil, fmt.Errorf("decode block: %w", err)
	}
	return s, nil
}

func (d *Decoder) decode(block []byte, paths []string) (*Sequences, error) {
	if len(block) < 5 || block[0] != version {
		return nil, errDamaged
	}
	body, sum := block[:len(block)-4], block[len(block)-4:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
		return nil, errDamaged
	}
	r := &reader{rest: body[1:]}
	base, size := binary.Varint(r.rest)
	if size <= 0 {
		return nil, errDamaged
	}
	r.rest = r.rest[size:]
	users, events := r.count(), r.count()
	if r.bad || users > events {
		return nil, errDamaged
	}
	s := &Sequences{Hashes: make([]uint64, users), Ends: make([]int, users), Times: make([]int64, events), Paths: paths}
	if !s.readUsers(r) || !s.readTimes(r, base) {
		return nil, errDamaged
	}
	var err error
	if s.Types, err = d.readColumn(r, events, true); err != nil {
		return nil, err
	}
	s.Properties = make([]Column, len(paths))
	for range r.count() {
		path := string(r.bytes())
		at := slices.Index(paths, path)
		c, err := d.readColumn(r, events, at >= 0)
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			s.Properties[at] = c
		}
	}
	for i, c := range s.Properties {
		if c.Values == nil {
			return nil, fmt.Errorf("property %s is not in the block", paths[i])
		}
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errDamaged
	}
	return s, nil
}

func (s *Sequences) readUsers(r *reader) bool {
	last, end := uint64(0), uint64(0)
	for i := range s.Hashes {
		delta := r.uvarint()
		if i > 0 && (delta == 0 || last+delta < last) {
			return false
		}
		last += delta
		s.Hashes[i] = last
	}
	for i := range s.Ends {
		n := r.uvarint()
		if end += n; n == 0 || n > uint64(len(s.Times)) || end > uint64(len(s.Times)) {
			return false
		}
		s.Ends[i] = int(end)
	}
	return !r.bad && end == uint64(len(s.Times))
}

func (s *Sequences) readTimes(r *reader, base int64) bool {
	rest, n := r.rest, 0
	for _, end := range s.Ends {
		at := base
		for ; n < end; n++ {
			delta, size := binary.Uvarint(rest)
			if size <= 0 || delta > 1<<62 || at+int64(delta) < at {
				return false
			}
			rest = rest[size:]
			at += int64(delta)
			s.Times[n] = at
		}
	}
	r.rest = rest
	return true
}

// readColumn reads a column of n codes, or skips it.
func (d *Decoder) readColumn(r *reader, n int, wanted bool) (c Column, err error) {
	packedSize, size := r.uvarint(), r.uvarint()
	if r.bad || packedSize > uint64(len(r.rest)) || size > packedSize*maxInflate {
		return c, errDamaged
	}
	packed := r.rest[:packedSize]
	r.rest = r.rest[packedSize:]
	if !wanted {
		return c, nil
	}
	raw := packed
	if size != packedSize {
		if raw, err = d.expand(packed, int(size)); err != nil {
			return c, errors.Join(errDamaged, err)
		}
	}
	in := &reader{rest: raw}
	c.Values = make([]string, 1, in.count()+1)
	for range cap(c.Values) - 1 {
		c.Values = append(c.Values, string(in.bytes()))
	}
	if in.bad || len(in.rest) < n {
		return c, errDamaged
	}
	c.Codes = make([]uint32, n)
	rest := in.rest
	for i := range c.Codes {
		code := uint64(0)
		if len(rest) > 0 && rest[0] < 0x80 { // the usual case, without a call
			code, rest = uint64(rest[0]), rest[1:]
		} else {
			v, used := binary.Uvarint(rest)
			if used <= 0 {
				return c, errDamaged
			}
			code, rest = v, rest[used:]
		}
		if code >= uint64(len(c.Values)) {
			return c, errDamaged
		}
		c.Codes[i] = uint32(code)
	}
	if len(rest) > 0 {
		return c, errDamaged
	}
	return c, nil
}

func (d *Decoder) expand(packed []byte, size int) ([]byte, error) {
	from := bytes.NewReader(packed)
	if d.inflate == nil {
		d.inflate = flate.NewReader(from)
	} else if err := d.inflate.(flate.Resetter).Reset(from, nil); err != nil { //nolint:forcetypeassert // documented by flate.NewReader
		return nil, fmt.Errorf("decompress: %w", err)
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(d.inflate, raw); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return raw, nil
}

// Count returns the number of events of a block, from at least its first 31 bytes.
func Count(block []byte) (int, error) {
	if len(block) < 2 || block[0] != version {
		return 0, fmt.Errorf("count events of a block: %w", errDamaged)
	}
	_, size := binary.Varint(block[1:])
	r := &reader{rest: block[1+max(size, 0):]}
	r.uvarint()
	n := r.uvarint()
	if size <= 0 || r.bad {
		return 0, fmt.Errorf("count events of a block: %w", errDamaged)
	}
	return int(n), nil
}
