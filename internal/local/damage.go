package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/streamctl/streamctl/internal/local/durable"
	"github.com/streamctl/streamctl/internal/local/stream"
)

// DamageError is a data folder whose event stream is damaged: accepted events
// may be missing.
type DamageError struct {
	*stream.DamageError
	Dir string
}

func (e *DamageError) Hint() string {
	return "restore these files from a copy, or add --accept-damage: it skips exactly the records listed here, saves the list in " +
		filepath.Join(e.Dir, "damage-<time>.json") + ", loads every other record and continues in new shards. Archived events are also in " +
		filepath.Join(e.Dir, "archive") + ". --reset starts over and deletes everything"
}

// reportName returns the name of a file that lists accepted damage.
func reportName(at time.Time) string {
	return "damage-" + at.UTC().Format("20060102T150405.000") + ".json"
}

// reportDamage lists accepted damage in a file of the data folder.
func reportDamage(dir string, damage []stream.Damage) (path string, err error) {
	at := time.Now()
	text, err := json.MarshalIndent(struct {
		At     time.Time       `json:"at"`
		Damage []stream.Damage `json:"damage"`
	}{at.UTC(), damage}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the damage report: %w", err)
	}
	path = filepath.Join(dir, reportName(at))
	if err := durable.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("write the damage report: %w", err)
	}
	return path, nil
}

// failedDir is the folder in the archive with one object for each batch of
// records that was given up.
const failedDir = "aws/lambda"

// countFailed counts the objects in failedDir, including those of earlier runs.
func countFailed(archive string) (n int, err error) {
	err = filepath.WalkDir(filepath.Join(archive, failedDir), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			n++
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return n, err
}
