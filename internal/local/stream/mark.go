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

	"github.com/streamctl/streamctl/internal/local/durable"
)

// markFile is the file in a shard's folder with its high-water mark.
const markFile = "mark"

// mark is a shard's high-water mark of acknowledged records. It is on disk
// before any record it covers is acknowledged or read, so records up to Acked
// must exist.
type mark struct {
	Shard string
	Epoch int64
	// Low is the first retained record; retention moves it.
	Low uint64
	// Acked is the last acknowledged record, or 0. It ends at
	// byte Size of the segment that starts with record Segment.
	Acked   uint64
	Segment uint64
	Size    int64
}

// The file has two slots, written in turn, so that an interrupted write never
// loses the previous mark. Each slot holds two copies in separate pages, so
// that damage to one page leaves the newest mark readable. All numbers are
// little-endian.
const (
	markPage  = 4096
	markBytes = 4 * markPage
	copyBytes = 8 + 6*8 + 32 + 4 // magic, numbers, shard, CRC-32C
	markMagic = "STRMMRK1"
)

// maxShardName is the maximum length of a shard's id in files, in bytes.
const maxShardName = 32

func (m mark) encode(generation uint64) []byte {
	b := append(make([]byte, 0, copyBytes), markMagic...)
	for _, n := range []uint64{generation, uint64(m.Epoch), m.Low, m.Acked, m.Segment, uint64(m.Size)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = append(b, make([]byte, maxShardName)...)
	copy(b[len(b)-maxShardName:], m.Shard)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeMark(b []byte) (m mark, generation uint64, ok bool) {
	b = b[:copyBytes]
	if string(b[:8]) != markMagic || crc32.Checksum(b[:copyBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[copyBytes-4:]) {
		return m, 0, false
	}
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	m = mark{Epoch: int64(n(1)), Low: n(2), Acked: n(3), Segment: n(4), Size: int64(n(5))}
	m.Shard = string(bytes.TrimRight(b[56:56+maxShardName], "\x00"))
	return m, n(0), true
}

// errMarkDamaged is returned for a mark file without a readable copy.
var errMarkDamaged = errors.New("no readable copy of the acknowledged mark")

// readMark reads the newest mark in a shard's folder. The error is
// fs.ErrNotExist if the file doesn't exist.
func readMark(dir string) (f foundMark, err error) {
	b, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		return f, err
	}
	if len(b) != markBytes {
		return f, fmt.Errorf("%w: it has %d bytes instead of %d", errMarkDamaged, len(b), markBytes)
	}
	found := false
	for page := range int64(4) {
		if m, g, ok := decodeMark(b[page*markPage:]); ok && (!found || g > f.generation) {
			f, found = foundMark{m, g, page / 2}, true
		}
	}
	if !found {
		return f, errMarkDamaged
	}
	return f, nil
}

// foundMark is a mark with its position in the file.
type foundMark struct {
	mark
	generation uint64
	slot       int64
}

// openMark continues the mark file that f was read from.
func openMark(dir string, f foundMark, volatile bool, fail func(op, path string) error) (*markWriter, error) {
	w := &markWriter{path: filepath.Join(dir, markFile), generation: f.generation, slot: f.slot, volatile: volatile, fail: fail}
	var err error
	w.file, err = os.OpenFile(w.path, os.O_RDWR, 0)
	return w, err
}

// markWriter writes a shard's mark. The shard's syncing lock guards it.
type markWriter struct {
	path       string
	file       *os.File
	generation uint64
	slot       int64 // the slot with the newest mark, 0 or 1
	volatile   bool
	fail       func(op, path string) error
	off        bool // for the benchmark that measures the mark's cost
}

// replaceMark writes a mark into a new file, which replaces the existing one.
func replaceMark(dir string, m mark, generation uint64, volatile bool, fail func(op, path string) error) (*markWriter, error) {
	w := &markWriter{path: filepath.Join(dir, markFile), generation: generation + 1, volatile: volatile, fail: fail}
	b := make([]byte, markBytes)
	for _, page := range []int{0, 1} {
		copy(b[page*markPage:], m.encode(w.generation))
	}
	if err := w.fail("open", w.path); err != nil {
		return nil, err
	}
	err := durable.WriteFile(w.path, b, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", w.path, err)
	}
	if w.file, err = os.OpenFile(w.path, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	return w, nil
}

// write replaces the older slot. When it returns, the mark is on disk.
func (w *markWriter) write(m mark) error {
	if w.off {
		return nil
	}
	next := w.generation + 1
	b := m.encode(next)
	slot := 1 - w.slot
	if err := w.fail("write", w.path); err != nil {
		return err
	}
	for page := range int64(2) {
		if _, err := w.file.WriteAt(b, (2*slot+page)*markPage); err != nil {
			return fmt.Errorf("write %s: %w", w.path, err)
		}
	}
	if !w.volatile {
		if err := durable.SyncData(w.file); err != nil {
			return fmt.Errorf("sync %s: %w", w.path, err)
		}
	}
	w.generation, w.slot = next, slot
	return samePath(w.file, w.path)
}

func (w *markWriter) close() error {
	if w == nil || w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}

// samePath returns an error if an open file was removed or replaced: data written
// to it would be lost when this process ends.
func samePath(file *os.File, path string) error {
	opened, err := file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s was removed while it was in use", path)
		}
		return err
	}
	if !os.SameFile(opened, named) {
		return fmt.Errorf("%s was replaced while it was in use", path)
	}
	return nil
}
