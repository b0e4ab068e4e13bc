package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// removedDir is the folder for bytes and files removed from the stream's files.
const removedDir = "removed"

// keepRemoved saves bytes that are about to be cut off a shard's file.
func (s *Stream) keepRemoved(shard, path string, content []byte) (string, error) {
	to, err := s.removedPath(shard, filepath.Base(path))
	if err != nil {
		return "", err
	}
	return to, durable.WriteFile(to, content, 0o600)
}

// removedPath returns an unused path in removedDir.
func (s *Stream) removedPath(shard, base string) (string, error) {
	dir := filepath.Join(s.o.Dir, removedDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	stamp := s.o.Clock.Now().UTC().Format("20060102T150405.000")
	for n := 0; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d", shard, base, stamp, n))
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
	}
}

// displaced is a file in the place of another file.
type displaced struct{ path, aside, home string }

// restoreDisplaced moves displaced files to their own place, or into removedDir
// if that place is taken.
func (s *Stream) restoreDisplaced(d description) (damage []Damage, err error) {
	var moves []displaced
	for _, e := range d.Shards {
		found, err := s.findDisplaced(e, d)
		if err != nil {
			return nil, err
		}
		moves = append(moves, found...)
	}
	for i, m := range moves {
		shard := filepath.Base(filepath.Dir(m.path))
		if moves[i].aside, err = s.removedPath(shard, filepath.Base(m.path)); err != nil {
			return nil, err
		}
		if err := os.Rename(m.path, moves[i].aside); err != nil {
			return nil, err
		}
	}
	for _, m := range moves {
		to := m.aside
		if m.home != "" {
			if _, err := os.Lstat(m.home); errors.Is(err, fs.ErrNotExist) {
				if err := os.Rename(m.aside, m.home); err != nil {
					return nil, err
				}
				to = m.home
			}
		}
		damage = append(damage, Damage{File: m.path, What: "was in the place of another file; moved to " + to})
	}
	return damage, nil
}

// findDisplaced lists the files in a shard's folder that belong elsewhere.
func (s *Stream) findDisplaced(e shardEntry, d description) (moves []displaced, err error) {
	dir := filepath.Join(s.o.Dir, e.ID)
	home := func(shard string, epoch int64, base string) string {
		known := slices.ContainsFunc(d.Shards, func(o shardEntry) bool { return o.ID == shard && o.Epoch == epoch })
		if !known {
			return ""
		}
		return filepath.Join(s.o.Dir, shard, base)
	}
	if m, err := readMark(dir); err == nil && (m.Shard != e.ID || m.Epoch != e.Epoch) {
		moves = append(moves, displaced{path: filepath.Join(dir, markFile), home: home(m.Shard, m.Epoch, markFile)})
	}
	files, err := segmentFiles(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		id, ok, err := readIdentity(f.path)
		if err != nil {
			return nil, err
		}
		if ok && id != (identity{Shard: e.ID, Epoch: e.Epoch, First: f.first}) {
			moves = append(moves, displaced{path: f.path, home: home(id.Shard, id.Epoch, filepath.Base(segmentPath("", id.First)))})
		}
	}
	return moves, nil
}
