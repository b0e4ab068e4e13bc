package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// repairPause is the time between two attempts to repair a shard.
const repairPause = time.Second

// repair makes a shard writable again after a failed write: it verifies the
// data on disk up to the last record that reached it, drops later records (they
// were not acknowledged), and continues in a new file. If the repair fails, it
// returns the reason. For a shard without a failure it returns nil.
func (sh *shard) repair() error {
	sh.mu.Lock()
	broken := sh.broken
	sh.mu.Unlock()
	if broken == nil {
		return nil
	}
	sh.syncing.Lock()
	defer sh.syncing.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.broken == nil {
		return nil
	}
	now := sh.stream.o.Clock.Now()
	if since := now.Sub(sh.repairAt); since >= 0 && since < repairPause {
		return sh.broken
	}
	sh.repairAt = now
	if err := sh.reopen(); err != nil {
		return fmt.Errorf("%w; not repaired: %w", sh.broken, err)
	}
	sh.stream.note(fmt.Sprintf("%s is writable again after: %v", sh.ID, sh.broken))
	sh.broken = nil
	return nil
}

// reopen verifies the tail, drops records that may not be on disk, and replaces
// the mark. The caller holds syncing and mu.
func (sh *shard) reopen() error {
	tail := sh.tail()
	if tail.first > sh.durable+1 {
		return fmt.Errorf("%s begins after record %d", tail.path, sh.durable)
	}
	kept := tail.places[:sh.durable+1-tail.first]
	size := int64(segmentHeader)
	if n := len(kept); n > 0 {
		size = kept[n-1].at + int64(kept[n-1].bytes)
	}
	content, err := readPart(tail.path, 0, size)
	if errors.Is(err, fs.ErrNotExist) && tail.file != nil { // the open file still contains the records
		content = make([]byte, size)
		_, err = tail.file.ReadAt(content, 0)
	}
	if err != nil {
		return err
	}
	if i, ok := decodeIdentity(content); !ok || i != sh.identity(tail.first) {
		return fmt.Errorf("%s: its header is damaged", tail.path)
	}
	if found := scan(content, segmentHeader, tail.first, sh.durable+1); len(found.gaps) > 0 || found.end != size {
		return fmt.Errorf("%s: records that were on disk can no longer be read", tail.path)
	}
	if err := sh.stream.fail("open", tail.path); err != nil {
		return err
	}
	// Write a new file: the kernel may have dropped the old file's dirty pages.
	if err := durable.WriteFile(tail.path, content, 0o600); err != nil {
		return err
	}
	file, err := os.OpenFile(tail.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	old := tail.file
	tail.file, tail.places, tail.size = file, kept, size
	sh.dropped++
	if old != nil {
		_ = old.Close() // its content is in the new file
	}
	m, err := replaceMark(sh.dir, sh.markAt(sh.durable), sh.mark.generation, sh.stream.o.Volatile, sh.stream.fail)
	if err != nil {
		return err
	}
	_ = sh.mark.close() // replaced
	sh.mark, sh.synced = m, sh.durable
	return nil
}

// readPart reads size bytes of a file.
func readPart(path string, at, size int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	content := make([]byte, size)
	_, err = file.ReadAt(content, at)
	return content, errors.Join(err, file.Close())
}
