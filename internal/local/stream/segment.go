package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

// suffix of a segment's file, whose name is its first record's number.
const suffix = ".log"

// headerBytes come before a record's key and data, all little-endian: CRC-32C
// of what follows it, lengths of key and data, number, arrival in milliseconds.
const headerBytes = 4 + 4 + 4 + 8 + 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is a file of records.
type segment struct {
	path  string
	first uint64
	file  *os.File // nil until it is used
	// offsets are where the records begin, known once it was read or written.
	offsets []int64
	size    int64

	pending        []byte // not yet in the file
	pendingOffsets []int64
}

func newSegment(dir string, first uint64) (*segment, error) {
	path := filepath.Join(dir, fmt.Sprintf("%020d%s", first, suffix))
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &segment{path: path, first: first, file: file}, nil
}

// next is the number of the record after the last one.
func (g *segment) next() uint64 { return g.first + uint64(len(g.offsets)) }

// buffer adds a record to what flush writes.
func (g *segment) buffer(number uint64, arrival int64, key string, data []byte) {
	g.pendingOffsets = append(g.pendingOffsets, g.size+int64(len(g.pending)))
	at := len(g.pending)
	b := append(g.pending, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(arrival))
	b = append(append(b, key...), data...)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	g.pending = b
}

// flush writes what was buffered; after an error undo takes it back.
func (g *segment) flush() error {
	if _, err := g.file.WriteAt(g.pending, g.size); err != nil {
		return fmt.Errorf("write %s: %w", g.path, err)
	}
	g.size += int64(len(g.pending))
	g.offsets = append(g.offsets, g.pendingOffsets...)
	g.drop()
	return nil
}

func (g *segment) drop() {
	g.pending, g.pendingOffsets = g.pending[:0], g.pendingOffsets[:0]
	if cap(g.pending) > 4*MaxRecord {
		g.pending = nil
	}
}

func (g *segment) undo() error {
	g.drop()
	return g.file.Truncate(g.size)
}

// recover opens the last segment for writing. What a crash left half written
// at its end was never acknowledged, and is cut off.
func (g *segment) recover() error {
	file, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	g.file = file
	if err := g.index(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Truncate(g.size); err != nil {
		return errors.Join(fmt.Errorf("cut %s: %w", g.path, err), file.Close())
	}
	// What a killed program had written and not waited for is read from now on:
	// so it has to be on the disk.
	if err := file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", g.path, err), file.Close())
	}
	return nil
}

// index reads the file up to the first record that isn't whole.
func (g *segment) index() error {
	reader := io.NewSectionReader(g.file, 0, 1<<62)
	b := make([]byte, 0, 1<<16)
	at, number := int64(0), g.first
	g.offsets = nil
	for {
		b = b[:headerBytes]
		if _, err := reader.ReadAt(b, at); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read %s: %w", g.path, err)
		}
		length := int(binary.LittleEndian.Uint32(b[4:])) + int(binary.LittleEndian.Uint32(b[8:]))
		if length > MaxRecord {
			break
		}
		if cap(b) < headerBytes+length {
			b = make([]byte, headerBytes+length)
		}
		b = b[:headerBytes+length]
		if _, err := reader.ReadAt(b, at); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read %s: %w", g.path, err)
		}
		if r, err := parse(b); err != nil || r.number != number {
			break
		}
		g.offsets = append(g.offsets, at)
		at, number = at+int64(len(b)), number+1
	}
	g.size = at
	return nil
}

// block is a part of a file.
type block struct {
	file      *os.File
	path      string
	from, end int64
}

// locate finds the records numbered from to end (exclusive), or as many of them
// as one read gives.
func (g *segment) locate(from, end uint64) (block, error) {
	if g.file == nil {
		file, err := os.Open(g.path)
		if err != nil {
			return block{}, err
		}
		g.file = file
		if err := g.index(); err != nil {
			return block{}, err
		}
	}
	if from < g.first || end > g.next() {
		return block{}, fmt.Errorf("%s: records %d to %d are damaged or missing", g.path, from, end-1)
	}
	offset := func(n uint64) int64 {
		if n == g.next() {
			return g.size
		}
		return g.offsets[n-g.first]
	}
	for end > from+1 && offset(end)-offset(from) > maxRead {
		end = from + (end-from)/2
	}
	return block{g.file, g.path, offset(from), offset(end)}, nil
}

// load reads the block's records.
func (b block) load() ([]record, error) {
	raw := make([]byte, b.end-b.from)
	if _, err := b.file.ReadAt(raw, b.from); err != nil {
		return nil, fmt.Errorf("read %s: %w", b.path, err)
	}
	var records []record
	for len(raw) > 0 {
		r, err := parse(raw)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", b.path, err)
		}
		records = append(records, r)
		raw = raw[headerBytes+len(r.key)+len(r.data):]
	}
	return records, nil
}

// record is one as it is stored.
type record struct {
	number uint64
	millis int64
	key    string
	data   []byte
}

func (r record) arrival() time.Time { return time.UnixMilli(r.millis).UTC() }

var errDamaged = errors.New("damaged record")

// parse reads the record that b begins with; its data is a part of b.
func parse(b []byte) (record, error) {
	if len(b) < headerBytes {
		return record{}, errDamaged
	}
	key, data := int(binary.LittleEndian.Uint32(b[4:])), int(binary.LittleEndian.Uint32(b[8:]))
	if key+data > MaxRecord || len(b) < headerBytes+key+data {
		return record{}, errDamaged
	}
	b = b[: headerBytes+key+data : headerBytes+key+data]
	if crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return record{}, errDamaged
	}
	return record{
		number: binary.LittleEndian.Uint64(b[12:]), millis: int64(binary.LittleEndian.Uint64(b[20:])),
		key: string(b[headerBytes : headerBytes+key]), data: b[headerBytes+key:],
	}, nil
}

func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	file := g.file
	g.file = nil
	return file.Close()
}
