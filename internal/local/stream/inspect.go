package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inspection is a shard whose files have been compared with each other, but not
// changed yet.
type inspection struct {
	shard *shard
	read  uint64 // every consumer has handled the records up to this number
	found foundMark
	// marked reports whether the mark was readable.
	marked bool
	// fresh reports whether the shard's files have to be created.
	fresh bool
	// short reports whether records are missing at the end of the last segment.
	short bool
	// end is the last record that was acknowledged or exists.
	end uint64
	// torn holds the bytes after the last record of the last segment; they were
	// never acknowledged.
	torn []byte
	// headers are segments whose header has to be rewritten.
	headers []*segment
	// obsolete are files that retention had already dropped.
	obsolete []string
	damage   []Damage
}

// segmentFile is a file with the name of a segment.
type segmentFile struct {
	path  string
	first uint64
}

// segmentFiles lists a shard's segments in order. It skips other files.
func segmentFiles(dir string) (files []segmentFile, err error) {
	entries, err := os.ReadDir(dir) // sorted: names have the same length
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		first, err := strconv.ParseUint(name, 10, 64)
		if ok && err == nil && first > 0 && segmentPath(dir, first) == filepath.Join(dir, entry.Name()) {
			files = append(files, segmentFile{filepath.Join(dir, entry.Name()), first})
		}
	}
	return files, nil
}

// readIdentity reads a segment's header; ok is false if the header is damaged.
func readIdentity(path string) (i identity, ok bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return i, false, err
	}
	b := make([]byte, segmentHeader)
	n, _ := file.ReadAt(b, 0) // a short file has no header
	i, ok = decodeIdentity(b[:n])
	return i, ok, file.Close()
}

// inspect compares a shard's files with its mark and its consumers.
func (s *Stream) inspect(e shardEntry) (*inspection, error) {
	sh := &shard{shardEntry: e, stream: s, dir: filepath.Join(s.o.Dir, e.ID)}
	i := &inspection{shard: sh, read: s.readByAll(e)}
	files, err := segmentFiles(sh.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := i.readMark(); err != nil {
		return nil, err
	}
	if i.fresh = !e.Made && !i.marked; i.fresh {
		for _, f := range files {
			if info, err := os.Stat(f.path); err != nil {
				return nil, err
			} else if info.Size() > segmentHeader {
				i.fresh = false
			}
		}
		if i.fresh {
			return i, nil
		}
		i.damage = append(i.damage, Damage{File: filepath.Join(sh.dir, markFile), What: markMissing})
	}
	for n, f := range files {
		if n+1 < len(files) && files[n+1].first <= i.found.Low {
			i.obsolete = append(i.obsolete, f.path)
			continue
		}
		id, ok, err := readIdentity(f.path)
		if err != nil {
			return nil, err
		}
		g := &segment{path: f.path, first: f.first}
		unread := n+1 == len(files) || files[n+1].first > i.read+1
		switch {
		case ok && id != sh.identity(f.first):
			if unread {
				i.damage = append(i.damage, Damage{File: f.path, What: fmt.Sprintf("is segment %d of %s (epoch %d) and belongs elsewhere", id.First, id.Shard, id.Epoch)})
			}
			continue
		case !ok && unread && n+1 == len(files) && i.marked && f.first > i.found.Acked:
			// A crash interrupted its creation.
		case !ok && unread:
			i.damage = append(i.damage, Damage{File: f.path, Bytes: segmentHeader, What: "the header is damaged"})
			i.headers = append(i.headers, g)
		}
		sh.segments = append(sh.segments, g)
	}
	return i, i.records()
}

// readByAll returns the last record that all consumers have handled.
func (s *Stream) readByAll(e shardEntry) uint64 {
	if len(s.o.Consumers) == 0 {
		return 0
	}
	read := ^uint64(0)
	for _, c := range s.o.Consumers {
		n, err := e.counter(c.At[e.ID])
		if err != nil {
			n = 0
		}
		read = min(read, n)
	}
	return read
}

const markMissing = "is missing; records after the last readable one may be missing too"

func (i *inspection) readMark() (err error) {
	sh := i.shard
	path := filepath.Join(sh.dir, markFile)
	i.found, err = readMark(sh.dir)
	what := ""
	switch {
	case errors.Is(err, fs.ErrNotExist) && !sh.Made:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		what = markMissing
	case errors.Is(err, errMarkDamaged):
		what = err.Error()
	case err != nil:
		return err
	case i.found.Shard != sh.ID || i.found.Epoch != sh.Epoch:
		what = fmt.Sprintf("belongs to %s (epoch %d)", i.found.Shard, i.found.Epoch)
	}
	if i.marked = what == ""; !i.marked {
		i.found = foundMark{}
		i.damage = append(i.damage, Damage{File: path, What: what})
	}
	return nil
}

// records reads the segments that some consumer has not read completely, and
// the last one.
func (i *inspection) records() error {
	sh := i.shard
	sh.low = max(i.found.Low, 1)
	i.end = i.found.Acked
	if len(sh.segments) == 0 {
		i.miss(segmentPath(sh.dir, sh.low), "is missing", span{sh.low, i.end})
		return nil
	}
	first := sh.segments[0].first
	if !i.marked { // retention may have dropped records that all consumers had read
		sh.low = min(first, i.read+1)
	}
	i.miss(segmentPath(sh.dir, sh.low), "is missing", span{sh.low, first - 1})
	for n, g := range sh.segments {
		if n+1 < len(sh.segments) {
			if next := sh.segments[n+1].first; next > i.read+1 {
				if err := i.segment(g, next); err != nil {
					return err
				}
			}
			continue
		}
		if err := i.last(g); err != nil {
			return err
		}
	}
	return nil
}

// segment reads a segment whose successor starts with record next.
func (i *inspection) segment(g *segment, next uint64) error {
	content, err := os.ReadFile(g.path)
	if err != nil {
		return err
	}
	found := scan(content, segmentHeader, g.first, next)
	i.gaps(g, found)
	i.cutShort(g, found, int64(len(content)), next)
	g.set(found, next)
	return nil
}

// last reads the last segment. After the acknowledged records it may end with a
// record whose write was interrupted by a crash.
func (i *inspection) last(g *segment) error {
	content, err := os.ReadFile(g.path)
	if err != nil {
		return err
	}
	found := scan(content, segmentHeader, g.first, ^uint64(0))
	i.gaps(g, found)
	acked := i.end
	i.end = max(acked, g.first+uint64(len(found.places))-1)
	if len(found.places) == 0 && len(content) < segmentHeader {
		found.end = 0
	}
	if i.end == g.first+uint64(len(found.places))-1 {
		i.torn = content[min(found.end, int64(len(content))):]
	} else {
		i.short = true
		i.cutShort(g, found, int64(len(content)), i.end+1)
	}
	if n := acked - g.first; i.marked && i.found.Segment == g.first && acked >= g.first && n < uint64(len(found.places)) {
		if p := found.places[n]; p.bytes > 0 && p.at+int64(p.bytes) != i.found.Size {
			i.damage = append(i.damage, Damage{File: g.path, What: fmt.Sprintf("record %d ends at byte %d, but the mark has %d: the file or the mark is an old copy", acked, p.at+int64(p.bytes), i.found.Size)})
		}
	}
	g.set(found, i.end+1)
	return nil
}

// set takes the records' places from found, up to record end (exclusive).
func (g *segment) set(found scanned, end uint64) {
	g.places, g.size, g.indexed = found.places, found.end, true
	g.pad(end)
}

// pad adds places of missing records up to record end (exclusive).
func (g *segment) pad(end uint64) {
	for g.next() < end {
		g.places = append(g.places, place{})
	}
}

// cutShort reports the missing records at a segment's end.
func (i *inspection) cutShort(g *segment, found scanned, size int64, end uint64) {
	next := g.first + uint64(len(found.places))
	if next >= end {
		return
	}
	what := "ends before its last record"
	if size <= found.end {
		what += ", or the file " + filepath.Base(segmentPath(i.shard.dir, next)) + " is missing"
	}
	for _, d := range i.missing(g.path, what, span{next, end - 1}) {
		if size > found.end {
			d.Offset, d.Bytes = found.end, size-found.end
		}
		i.damage = append(i.damage, d)
	}
}

// gaps reports the unreadable parts between records.
func (i *inspection) gaps(g *segment, found scanned) {
	for _, gap := range found.gaps {
		if gap.last < gap.first {
			i.shard.stream.note(fmt.Sprintf("%s: %d bytes at %d are not a record; all records around them are readable", g.path, gap.end-gap.at, gap.at))
			continue
		}
		if i.marked && gap.first > i.found.Acked { // the machine crashed before it was acknowledged
			i.shard.Skipped = merge(append(i.shard.Skipped, span{gap.first, gap.last}))
			i.shard.changed = true
			i.shard.stream.note(fmt.Sprintf("%s: records %d to %d were never acknowledged and can't be read", g.path, gap.first, gap.last))
			continue
		}
		for _, d := range i.missing(g.path, "is damaged", span{gap.first, gap.last}) {
			d.Offset, d.Bytes = gap.at, gap.end-gap.at
			i.damage = append(i.damage, d)
		}
	}
}

// missing reports missing records, except those that were already reported,
// never acknowledged, or read by all consumers.
func (i *inspection) missing(file, what string, lost span) (damage []Damage) {
	sh := i.shard
	if lost.First > lost.Last {
		return nil
	}
	if lost.First <= i.read { // harmless, even if a consumer starts over
		sh.Skipped = merge(append(sh.Skipped, span{lost.First, min(lost.Last, i.read)}))
		sh.changed = true
	}
	if lost.First = max(lost.First, i.read+1); lost.First > lost.Last {
		return nil
	}
	for _, part := range lost.without(append(sh.Missing[:len(sh.Missing):len(sh.Missing)], sh.Skipped...)) {
		damage = append(damage, i.lost(file, what, part)...)
	}
	return damage
}

func (i *inspection) miss(file, what string, lost span) {
	i.damage = append(i.damage, i.missing(file, what, lost)...)
}

// lost reports missing records. If damage is accepted, it also adds them to the
// shard's known missing records.
func (i *inspection) lost(file, what string, lost span) []Damage {
	sh := i.shard
	if sh.stream.o.AcceptDamage {
		sh.Missing = merge(append(sh.Missing, lost))
	}
	return []Damage{{
		File: file, What: what, Shard: sh.ID, First: sh.sequence(lost.First), Last: sh.sequence(lost.Last), Records: lost.count(),
	}}
}
