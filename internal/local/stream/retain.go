package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Trim removes the files whose records all arrived before a time and which all
// readers have read, according to their checkpoints. Kinesis does not wait for
// consumers; a machine that was off over a weekend should.
func (s *Stream) Trim(before time.Time, readers ...map[string]string) (files int, err error) {
	s.mu.RLock()
	shards := s.shards
	s.mu.RUnlock()
	for _, sh := range shards {
		read := ^uint64(0)
		for _, checkpoints := range readers {
			n, err := sh.counter(checkpoints[sh.ID])
			if err != nil {
				n = 0
			}
			read = min(read, n)
		}
		n, err := sh.trim(before, read)
		files += n
		if err != nil {
			return files, fmt.Errorf("trim %s: %w", sh.ID, err)
		}
	}
	return files, nil
}

// trim writes the new first record into the mark before it removes files: if it
// crashes in between, the next Open removes the remaining files.
func (sh *shard) trim(before time.Time, read uint64) (files int, err error) {
	sh.syncing.Lock()
	defer sh.syncing.Unlock()
	sh.mu.Lock()
	drop := 0
	for drop+1 < len(sh.segments) && sh.segments[drop+1].first <= read+1 {
		info, err := os.Stat(sh.segments[drop].path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			sh.mu.Unlock()
			return 0, err
		}
		if err == nil && !info.ModTime().Before(before) { // its last write was its last record
			break
		}
		drop++
	}
	if drop == 0 || sh.broken != nil {
		sh.mu.Unlock()
		return 0, nil
	}
	dropped := sh.segments[:drop:drop]
	sh.low = sh.segments[drop].first
	m := sh.markAt(sh.synced)
	sh.mu.Unlock()
	err = sh.mark.write(m)
	sh.mu.Lock()
	if err != nil {
		sh.broken = err
		sh.mu.Unlock()
		return 0, err
	}
	sh.segments = sh.segments[drop:]
	sh.mu.Unlock()
	var errs []error
	for _, g := range dropped {
		errs = append(errs, g.close())
		if err := os.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		files++
	}
	return files, errors.Join(errs...)
}
