package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// descriptionFile is the file in the stream's folder that describes it.
const descriptionFile = "stream.json"

// descriptionFormat is the version of the stream's files. Files of version 0
// have segments without headers, and no marks.
const descriptionFormat = 2

// description is the content of the description file.
type description struct {
	Format int `json:"format"`
	// Epoch is the first part of the sequence numbers of shards that have no
	// Epoch.
	Epoch  int64        `json:"epoch"`
	Shards []shardEntry `json:"shards"`
}

// shardEntry is a shard in the description. It takes the keys whose hash is
// from Low to High, inclusive.
type shardEntry struct {
	ID      string   `json:"id"`
	Parents []string `json:"parents,omitempty"`
	Low     uint32   `json:"low"`
	High    uint32   `json:"high"`
	Closed  bool     `json:"closed,omitempty"`
	// Epoch is the first part of the shard's sequence numbers.
	Epoch int64 `json:"epoch,omitempty"`
	// Made reports whether the shard's files were created: from then on a
	// missing file is damage.
	Made bool `json:"made,omitempty"`
	// Missing are accepted records that were lost and reported (AcceptDamage).
	// Skipped are numbers of records that were never acknowledged.
	Missing []span `json:"missing,omitempty"`
	Skipped []span `json:"skipped,omitempty"`
}

func (s *Stream) descriptionPath() string { return filepath.Join(s.o.Dir, descriptionFile) }

// readDescription reads the description. found is false if the file doesn't
// exist.
func (s *Stream) readDescription() (d description, found bool, err error) {
	text, err := os.ReadFile(s.descriptionPath())
	if errors.Is(err, fs.ErrNotExist) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	legacy, err := durable.Unseal(text, &d)
	switch {
	case err != nil:
		return d, true, err
	case legacy == (d.Format != 0) || d.Format != 0 && d.Format != descriptionFormat:
		return d, true, fmt.Errorf("format %d is unknown", d.Format)
	case d.Epoch <= 0 || len(d.Shards) == 0:
		return d, true, errors.New("no epoch or no shards")
	}
	for i, e := range d.Shards {
		if _, err := shardNumber(e.ID); err != nil {
			return d, true, err
		}
		if e.Epoch == 0 {
			d.Shards[i].Epoch = d.Epoch
		}
	}
	return d, true, nil
}

func shardNumber(id string) (int, error) {
	digits, ok := strings.CutPrefix(id, shardPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || id != shardID(n) {
		return 0, fmt.Errorf("shard %q: not the id of a shard", id)
	}
	return n, nil
}

const shardPrefix = "shardId-"

func shardID(n int) string { return fmt.Sprintf("%s%012d", shardPrefix, n) }

// shardFolders lists the ids of the shards whose folders exist.
func (s *Stream) shardFolders() (ids []string, err error) {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, err := shardNumber(e.Name()); err == nil && e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// open lists the shards that accept records.
func (d description) open() (ids []string) {
	for _, e := range d.Shards {
		if !e.Closed {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// reshard closes all shards and adds new ones as their children.
func (d *description) reshard(shards int, epoch int64) {
	parents := d.open()
	first := 0
	for i := range d.Shards {
		d.Shards[i].Closed = true
		if n, err := shardNumber(d.Shards[i].ID); err == nil {
			first = max(first, n+1)
		}
	}
	step := (1 << 32) / uint64(shards)
	for i := range shards {
		e := shardEntry{ID: shardID(first + i), Parents: parents, Low: uint32(uint64(i) * step), High: uint32(uint64(i+1)*step - 1), Epoch: epoch}
		if i == shards-1 {
			e.High = 1<<32 - 1
		}
		d.Shards = append(d.Shards, e)
	}
}

// saveDescription replaces the description file.
func (s *Stream) saveDescription(d description) error {
	d.Format = descriptionFormat
	text, err := durable.Seal(d)
	if err != nil {
		return fmt.Errorf("write description: %w", err)
	}
	return durable.WriteFile(s.descriptionPath(), text, 0o600)
}
