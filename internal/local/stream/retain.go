package stream

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Trim removes the files whose records all arrived before a time and lie at or
// before every one of the readers' checkpoints. Kinesis doesn't wait for
// readers; a machine that was off for a weekend should.
func (s *Stream) Trim(before time.Time, readers ...map[string]string) (files int, err error) {
	s.mu.RLock()
	shards := s.shards
	s.mu.RUnlock()
	for _, sh := range shards {
		read := ^uint64(0)
		for _, checkpoints := range readers {
			n, err := s.counter(checkpoints[sh.ID])
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

func (sh *shard) trim(before time.Time, read uint64) (files int, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for len(sh.segments) > 1 && sh.segments[1].first <= read+1 {
		g := sh.segments[0]
		info, err := os.Stat(g.path)
		if err != nil {
			return files, err
		}
		if !info.ModTime().Before(before) { // written last when its last record came
			return files, nil
		}
		if err := errors.Join(g.close(), os.Remove(g.path)); err != nil {
			return files, err
		}
		sh.segments = sh.segments[1:]
		files++
	}
	return files, nil
}
