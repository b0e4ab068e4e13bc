package stream

import (
	"errors"
	"fmt"
	"os"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// finish prepares the shard for reading and, unless it is closed, for writing.
func (i *inspection) finish() error {
	sh, s := i.shard, i.shard.stream
	for _, path := range i.obsolete {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(sh.dir, 0o700); err != nil {
		return err
	}
	sh.low = max(sh.low, 1)
	for _, g := range i.headers {
		if err := g.writeHeader(sh.identity(g.first)); err != nil {
			return err
		}
	}
	sh.durable, sh.synced = i.end, i.end
	if err := i.openTail(); err != nil {
		return err
	}
	want := sh.markAt(i.end)
	if i.marked && want == i.found.mark {
		w, err := openMark(sh.dir, i.found, s.o.Volatile, s.fail)
		sh.mark = w
		return err
	}
	w, err := replaceMark(sh.dir, want, i.found.generation, s.o.Volatile, s.fail)
	sh.mark = w
	return err
}

// openTail opens the last segment for writing and cuts off what follows its
// last record, or creates a segment.
func (i *inspection) openTail() error {
	sh, s := i.shard, i.shard.stream
	if len(sh.segments) == 0 {
		return sh.begin(i.end + 1)
	}
	g := sh.tail()
	if i.short || i.end >= g.next() { // the numbers up to the end are in use
		g.pad(i.end + 1)
		return sh.begin(i.end + 1)
	}
	if len(i.torn) > 0 {
		path, err := s.keepRemoved(sh.ID, g.path, i.torn)
		if err != nil {
			return err
		}
		s.note(fmt.Sprintf("%s: a write of %d bytes at byte %d was interrupted and never acknowledged; they are in %s", g.path, len(i.torn), g.size, path))
	}
	file, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	g.file = file
	if g.size < segmentHeader { // its creation was interrupted
		if _, err := file.WriteAt(sh.identity(g.first).encode(), 0); err != nil {
			return fmt.Errorf("write %s: %w", g.path, err)
		}
		g.size = segmentHeader
	}
	if err := file.Truncate(g.size); err != nil {
		return fmt.Errorf("cut %s: %w", g.path, err)
	}
	// Records that a killed program wrote but did not sync are readable from
	// now on, so they must be on disk.
	if s.o.Volatile {
		return nil
	}
	if err := durable.SyncData(file); err != nil {
		return fmt.Errorf("sync %s: %w", g.path, err)
	}
	return nil
}

func (g *segment) writeHeader(id identity) error {
	file, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(id.encode(), 0)
	return errors.Join(err, file.Sync(), file.Close())
}
