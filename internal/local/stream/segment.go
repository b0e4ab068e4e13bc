package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// suffix is the extension of segment files, whose names are their first
// records' numbers.
const suffix = ".log"

// A segment starts with a header: magic, epoch, number of the first record,
// shard, four unused bytes and a CRC-32C of these fields, all little-endian.
const (
	segmentMagic  = "STRMSEG2"
	segmentHeader = 8 + 8 + 8 + maxShardName + 4 + 4
)

// headerBytes is the size of a record's header, all little-endian: CRC-32C of
// everything after it, lengths of key and data, number, arrival in
// milliseconds.
const headerBytes = 4 + 4 + 4 + 8 + 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is a file of records.
type segment struct {
	path  string
	first uint64
	// file is open while records are being added or are not yet on disk.
	file *os.File
	// places are the records' positions, known once the file has been read or
	// written.
	places  []place
	indexed bool
	size    int64

	pending       []byte // not yet in the file
	pendingPlaces []place
}

// place is a record's position in the file; bytes is 0 if the record is
// missing.
type place struct {
	at    int64
	bytes int32
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, suffix))
}

// identity is the content of a segment's header.
type identity struct {
	Shard string
	Epoch int64
	First uint64
}

func (i identity) encode() []byte {
	b := append(make([]byte, 0, segmentHeader), segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(i.Epoch))
	b = binary.LittleEndian.AppendUint64(b, i.First)
	b = append(b, make([]byte, maxShardName+4)...)
	copy(b[24:24+maxShardName], i.Shard)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeIdentity decodes the header at the beginning of a segment.
func decodeIdentity(b []byte) (i identity, ok bool) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:segmentHeader-4], castagnoli) != binary.LittleEndian.Uint32(b[segmentHeader-4:]) {
		return i, false
	}
	return identity{
		Epoch: int64(binary.LittleEndian.Uint64(b[8:])), First: binary.LittleEndian.Uint64(b[16:]),
		Shard: string(bytes.TrimRight(b[24:24+maxShardName], "\x00")),
	}, true
}

// newSegment creates an empty segment, on disk unless volatile.
func newSegment(dir string, i identity, volatile bool, fail func(op, path string) error) (*segment, error) {
	path := segmentPath(dir, i.First)
	if err := fail("open", path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // created before, without a record
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, err
	}
	_, err = file.WriteAt(i.encode(), 0)
	if err == nil && !volatile {
		if err = durable.SyncData(file); err == nil {
			err = durable.SyncDir(dir)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), file.Close(), os.Remove(path))
	}
	return &segment{path: path, first: i.First, file: file, size: segmentHeader, indexed: true}, nil
}

// next returns the number after the last record's.
func (g *segment) next() uint64 { return g.first + uint64(len(g.places)) }

// buffer adds a record to the bytes that flush writes.
func (g *segment) buffer(number uint64, arrival int64, key string, data []byte) {
	g.pendingPlaces = append(g.pendingPlaces, place{g.size + int64(len(g.pending)), int32(headerBytes + len(key) + len(data))})
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

// flush writes the buffered records; after an error, call undo.
func (g *segment) flush() error {
	if _, err := g.file.WriteAt(g.pending, g.size); err != nil {
		return fmt.Errorf("write %s: %w", g.path, err)
	}
	g.size += int64(len(g.pending))
	g.places = append(g.places, g.pendingPlaces...)
	g.drop()
	return nil
}

func (g *segment) drop() {
	g.pending, g.pendingPlaces = g.pending[:0], g.pendingPlaces[:0]
	if cap(g.pending) > 4*MaxRecord {
		g.pending = nil
	}
}

func (g *segment) undo() error {
	g.drop()
	return g.file.Truncate(g.size)
}

// sync waits until all of the segment's records are on disk.
func (g *segment) sync(fail func(op, path string) error) error {
	err := fail("sync", g.path)
	if err == nil {
		err = durable.SyncData(g.file)
	}
	if err == nil {
		err = samePath(g.file, g.path)
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", g.path, err)
	}
	return nil
}

func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	file := g.file
	g.file = nil
	return file.Close()
}

// block is a part of a file with consecutive records.
type block struct {
	path      string
	from, end int64
	first     uint64
}

// locate finds the first existing records numbered from (inclusive) to end
// (exclusive), at most limit and at most the bytes of one read. ok is false if
// all of these records are missing.
func (g *segment) locate(from, end uint64, limit int) (b block, ok bool) {
	for from < end && g.places[from-g.first].bytes == 0 {
		from++
	}
	if from == end {
		return b, false
	}
	end = min(end, from+uint64(limit))
	p := g.places[from-g.first]
	b = block{path: g.path, from: p.at, end: p.at + int64(p.bytes), first: from}
	for n := from + 1; n < end; n++ {
		p = g.places[n-g.first]
		if p.bytes == 0 || p.at != b.end || p.at+int64(p.bytes)-b.from > maxRead {
			break
		}
		b.end += int64(p.bytes)
	}
	return b, true
}

// load reads the block's records.
func (b block) load() (records []record, err error) {
	file, err := os.Open(b.path)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, b.end-b.from)
	_, err = file.ReadAt(raw, b.from)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", b.path, err)
	}
	at, number := b.from, b.first
	for len(raw) > 0 {
		r, err := parse(raw)
		if err != nil || r.number != number {
			return nil, fmt.Errorf("read %s: record %d at byte %d: %w", b.path, number, at, errDamaged)
		}
		records = append(records, r)
		n := headerBytes + len(r.key) + len(r.data)
		raw, at, number = raw[n:], at+int64(n), number+1
	}
	return records, nil
}

// record is a stored record.
type record struct {
	number uint64
	millis int64
	key    string
	data   []byte
}

func (r record) arrival() time.Time { return time.UnixMilli(r.millis).UTC() }

var errDamaged = errors.New("damaged record")

// parse decodes the record at the beginning of b; its data is a part of b.
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
