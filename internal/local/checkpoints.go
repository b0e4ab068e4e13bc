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
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/local/durable"
	"github.com/streamctl/streamctl/internal/pause"
)

// savePause is between two writes of a mapping's checkpoints. Records after the
// saved ones are delivered again after a crash, which changes nothing.
const savePause = 300 * time.Millisecond

// checkpoints keep how far a mapping has read, in a file.
type checkpoints struct {
	path string

	mu      sync.Mutex
	at      map[string]string // by shard
	changed bool
}

func openCheckpoints(path string) (*checkpoints, error) {
	c := &checkpoints{path: path, at: map[string]string{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	if err := json.Unmarshal(text, &c.at); err != nil {
		return nil, fmt.Errorf("read checkpoints: %s: %w", path, err)
	}
	return c, nil
}

// set notes a checkpoint that was reached.
func (c *checkpoints) set(shard, sequence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[shard], c.changed = sequence, true
}

// get gives the checkpoints as they are now.
func (c *checkpoints) get() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.at)
}

// save writes what has changed.
func (c *checkpoints) save() error {
	c.mu.Lock()
	changed, at := c.changed, maps.Clone(c.at)
	c.changed = false
	c.mu.Unlock()
	if !changed {
		return nil
	}
	text, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	if err := durable.WriteFile(c.path, text, 0o600); err != nil {
		c.mu.Lock()
		c.changed = true
		c.mu.Unlock()
		return fmt.Errorf("write checkpoints: %w", err)
	}
	return nil
}

// keep saves until ctx ends.
func (c *checkpoints) keep(ctx context.Context, log *slog.Logger) {
	for pause.For(ctx, savePause) == nil {
		if err := c.save(); err != nil {
			log.ErrorContext(ctx, "checkpoints not saved", "err", err)
		}
	}
}
