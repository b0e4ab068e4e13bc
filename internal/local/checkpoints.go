package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/local/durable"
	"github.com/streamctl/streamctl/internal/pause"
)

// savePause is the time between two writes of a mapping's checkpoints. After a
// crash, records after the saved checkpoint are delivered again, which changes
// nothing.
const savePause = 300 * time.Millisecond

// checkpoints saves a mapping's checkpoints in a file.
type checkpoints struct {
	path string
	name string // of the mapping
	// discarded explains why the file's content was not used; empty if it was.
	discarded string

	mu      sync.Mutex
	at      map[string]string // by shard
	tried   tries
	changed bool
	failed  error // of the last save
}

// tries is how long each record that fails alone has been tried, by shard and
// sequence number.
type tries map[string]map[string]time.Duration

// savedCheckpoints is the file's content.
type savedCheckpoints struct {
	Mapping string            `json:"mapping"`
	Shards  map[string]string `json:"shards"`
	Tried   tries             `json:"triedNanoseconds,omitempty"`
}

// openCheckpoints reads a mapping's checkpoints. A damaged file is renamed: the
// mapping then starts with the oldest record in the stream, and records that it
// handled before are recognized by their events' ids.
func openCheckpoints(path, name string) (*checkpoints, error) {
	c := &checkpoints{path: path, name: name, at: map[string]string{}, tried: tries{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	saved, err := decodeCheckpoints(text, name)
	if err == nil {
		if saved.Shards != nil {
			c.at = saved.Shards
		}
		if saved.Tried != nil {
			c.tried = saved.Tried
		}
		return c, nil
	}
	aside := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(path, aside); err != nil {
		return nil, fmt.Errorf("move damaged checkpoints: %w", err)
	}
	c.discarded = fmt.Sprintf("%s is damaged (%v) and was renamed to %s: the %s resumes at the oldest record in the stream; records it has already handled are recognized", path, err, filepath.Base(aside), name)
	return c, durable.SyncDir(filepath.Dir(path))
}

func decodeCheckpoints(text []byte, name string) (saved savedCheckpoints, err error) {
	var content json.RawMessage
	legacy, err := durable.Unseal(text, &content)
	switch {
	case err != nil:
		return saved, err
	case legacy: // the checkpoints by shard, without a wrapper
		return saved, json.Unmarshal(content, &saved.Shards)
	}
	if err := json.Unmarshal(content, &saved); err != nil {
		return saved, err
	}
	if saved.Mapping != name {
		return saved, fmt.Errorf("it belongs to %q", saved.Mapping)
	}
	return saved, nil
}

// set records a checkpoint.
func (c *checkpoints) set(shard, sequence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[shard], c.changed = sequence, true
}

// trying records how long a record was tried; 0 removes it.
func (c *checkpoints) trying(shard, sequence string, spent time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
	if spent == 0 {
		delete(c.tried[shard], sequence)
		return
	}
	if c.tried[shard] == nil {
		c.tried[shard] = map[string]time.Duration{}
	}
	c.tried[shard][sequence] = spent
}

// keepOnly drops checkpoints that are not in the stream.
func (c *checkpoints) keepOnly(has func(shard, sequence string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.at, func(shard, sequence string) bool { return !has(shard, sequence) })
	c.changed = true
}

// get returns a copy of the checkpoints.
func (c *checkpoints) get() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.at)
}

// triedNow returns a copy of the tries.
func (c *checkpoints) triedNow() tries {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tried.clone()
}

func (t tries) clone() tries {
	out := tries{}
	for shard, records := range t {
		if len(records) > 0 {
			out[shard] = maps.Clone(records)
		}
	}
	return out
}

// save writes the file if anything has changed.
func (c *checkpoints) save() error {
	c.mu.Lock()
	changed := c.changed
	saved := savedCheckpoints{Mapping: c.name, Shards: maps.Clone(c.at), Tried: c.tried.clone()}
	c.changed = false
	c.mu.Unlock()
	if !changed {
		return nil
	}
	text, err := durable.Seal(saved)
	if err == nil {
		err = durable.WriteFile(c.path, text, 0o600)
	}
	if err != nil {
		c.mu.Lock()
		c.changed = true
		c.mu.Unlock()
		return fmt.Errorf("write checkpoints: %w", err)
	}
	return nil
}

// keep saves until ctx ends. It logs a failure when it begins and then once per
// minute.
func (c *checkpoints) keep(ctx context.Context, log *slog.Logger) {
	var logged time.Time
	for pause.For(ctx, savePause) == nil {
		err := c.save()
		c.mu.Lock()
		c.failed = err
		c.mu.Unlock()
		switch {
		case err == nil:
			logged = time.Time{}
		case time.Since(logged) >= time.Minute:
			logged = time.Now()
			log.ErrorContext(ctx, "could not save checkpoints", "err", err)
		}
	}
}

// trouble returns the error of the last save.
func (c *checkpoints) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
