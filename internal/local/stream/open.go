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

// Open opens the stream in a folder; call Close to close it. It verifies
// everything that some consumer has not read yet. The error is a *DamageError
// if accepted records may be missing, unless AcceptDamage is set. If a crash
// interrupted a write, that record was never acknowledged: Open moves its bytes
// into the folder "removed".
func Open(o Options) (*Stream, error) {
	if o.Shards < 1 || o.Shards > 200 {
		return nil, fmt.Errorf("open stream: %d shards are outside 1..200", o.Shards)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 32 << 20
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s := &Stream{o: o, fail: func(string, string) error { return nil }}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open stream: %w", err), s.Close())
	}
	return s, nil
}

func (s *Stream) open() error {
	d, damage, err := s.describe()
	if err != nil {
		return err
	}
	if len(damage) > 0 && !s.o.AcceptDamage {
		return &DamageError{damage}
	}
	upgrade := d.Format == 0
	if s.o.AcceptDamage {
		moved, err := s.restoreDisplaced(d)
		if err != nil {
			return err
		}
		damage = append(damage, moved...)
	}
	var found []*inspection
	for _, e := range d.Shards {
		if upgrade {
			if err := s.upgrade(e); err != nil {
				return err
			}
		}
		i, err := s.inspect(e)
		if err != nil {
			return err
		}
		found = append(found, i)
		damage = append(damage, i.damage...)
	}
	more, err := s.compare(d, found)
	if err != nil {
		return err
	}
	damage = append(damage, more...)
	if len(damage) > 0 && !s.o.AcceptDamage {
		return &DamageError{damage}
	}
	if len(damage) > 0 && s.o.Report != nil {
		if err := s.o.Report(damage); err != nil {
			return err
		}
	}
	for n, i := range found {
		if err := i.finish(); err != nil {
			return err
		}
		s.shards = append(s.shards, i.shard)
		d.Shards[n] = i.shard.shardEntry
	}
	s.accepted = damage
	return s.complete(d, len(damage) > 0, upgrade)
}

// describe reads the description. It creates one for a new stream and
// reconstructs a damaged one from the remaining files.
func (s *Stream) describe() (d description, damage []Damage, err error) {
	d, exists, err := s.readDescription()
	if err != nil {
		damage = append(damage, Damage{File: s.descriptionPath(), What: "can't be read: " + err.Error()})
	}
	folders, err := s.shardFolders()
	if err != nil {
		return d, nil, err
	}
	used := len(folders) > 0 || slices.ContainsFunc(s.o.Consumers, func(c Consumer) bool { return len(c.At) > 0 })
	if !exists && used {
		damage = append(damage, Damage{File: s.descriptionPath(), What: "is missing, although the stream has been used"})
	}
	if len(damage) > 0 {
		return s.rebuild(folders), damage, nil
	}
	if !exists {
		return description{Format: descriptionFormat, Epoch: s.newEpoch(description{})}, nil, nil
	}
	for _, id := range folders {
		if !slices.ContainsFunc(d.Shards, func(e shardEntry) bool { return e.ID == id }) {
			damage = append(damage, Damage{File: s.descriptionPath(), What: "does not list " + id + ", whose folder exists: it is an old copy"})
			d.Shards = append(d.Shards, s.guess(id))
		}
	}
	return d, damage, nil
}

// rebuild describes the stream by its folders. All its shards are closed.
func (s *Stream) rebuild(folders []string) description {
	d := description{Format: descriptionFormat}
	for _, id := range folders {
		d.Shards = append(d.Shards, s.guess(id))
	}
	d.Epoch = s.newEpoch(d)
	for i := range d.Shards {
		if d.Shards[i].Epoch == 0 { // neither mark nor header: an old version's shard
			d.Shards[i].Epoch = d.Epoch
			d.Format = 0
		}
	}
	return d
}

// guess describes a closed shard by its own files.
func (s *Stream) guess(id string) shardEntry {
	e := shardEntry{ID: id, Closed: true, Made: true}
	dir := filepath.Join(s.o.Dir, id)
	if m, err := readMark(dir); err == nil && m.Shard == id {
		e.Epoch = m.Epoch
		return e
	}
	files, _ := segmentFiles(dir) // inspect reports the error
	for _, f := range files {
		if i, _, err := readIdentity(f.path); err == nil && i.Shard == id {
			e.Epoch = i.Epoch
		}
	}
	return e
}

// newEpoch returns an epoch later than all epochs in use.
func (s *Stream) newEpoch(d description) int64 {
	epoch := max(s.o.Clock.Now().UnixMilli(), d.Epoch)
	for _, e := range d.Shards {
		epoch = max(epoch, e.Epoch+1)
	}
	for _, c := range s.o.Consumers {
		for _, at := range c.At {
			if used, _, err := split(at); err == nil {
				epoch = max(epoch, used+1)
			}
		}
	}
	return epoch
}

// compare checks the consumers' checkpoints against the shards.
func (s *Stream) compare(d description, found []*inspection) (damage []Damage, err error) {
	for _, c := range s.o.Consumers {
		for id, at := range c.At {
			k := slices.IndexFunc(d.Shards, func(e shardEntry) bool { return e.ID == id })
			if k < 0 {
				damage = append(damage, Damage{File: c.File, What: "has a checkpoint of " + id + ", which is not a shard of the stream"})
				continue
			}
			n, err := d.Shards[k].counter(at)
			if err != nil {
				damage = append(damage, Damage{File: c.File, What: "has a checkpoint of another stream: " + err.Error()})
				continue
			}
			if i := found[k]; n > i.end {
				damage = append(damage, i.lost(c.File, "has a checkpoint after the end of "+id+": the stream's end is missing", span{i.end + 1, n})...)
				i.end = n
			}
		}
	}
	return damage, nil
}

// complete adjusts the stream to the requested number of shards, saves the
// description, and creates the files of new shards.
func (s *Stream) complete(d description, damaged, upgraded bool) error {
	save := upgraded
	for _, sh := range s.shards {
		save = save || !sh.Made || sh.changed
	}
	if damaged || len(d.open()) != s.o.Shards {
		if damaged { // numbers after the known ones may have been assigned
			d.Epoch = s.newEpoch(d)
		}
		old := len(d.Shards)
		d.reshard(s.o.Shards, d.Epoch)
		for i, sh := range s.shards {
			sh.shardEntry = d.Shards[i]
		}
		if err := s.saveDescription(d); err != nil {
			return err
		}
		for _, e := range d.Shards[old:] {
			i, err := s.inspect(e)
			if err == nil {
				err = i.finish()
			}
			if err != nil {
				return err
			}
			s.shards = append(s.shards, i.shard)
		}
		save = true
	}
	if !save {
		return nil
	}
	for i, sh := range s.shards {
		sh.Made = true
		d.Shards[i] = sh.shardEntry
	}
	return s.saveDescription(d)
}

// upgrade converts a shard of a version without headers and marks to the
// current format. It can be interrupted and repeated.
func (s *Stream) upgrade(e shardEntry) error {
	dir := filepath.Join(s.o.Dir, e.ID)
	files, err := segmentFiles(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m := mark{Shard: e.ID, Epoch: e.Epoch, Low: 1}
	for n, f := range files {
		if n == 0 {
			m.Low = f.first
		}
		content, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if _, ok := decodeIdentity(content); !ok {
			content = append(identity{Shard: e.ID, Epoch: e.Epoch, First: f.first}.encode(), content...)
			if err := durable.WriteFile(f.path, content, 0o600); err != nil {
				return err
			}
		}
		found := scan(content, segmentHeader, f.first, ^uint64(0))
		m.Acked, m.Segment, m.Size = f.first+uint64(len(found.places))-1, f.first, found.end
	}
	w, err := replaceMark(dir, m, 0, s.o.Volatile, s.fail)
	if err != nil {
		return err
	}
	return w.close()
}
