package localrun

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/pause"
)

// Counts is the number of events in each store.
type Counts struct {
	// Rows is the number of rows of events, Distinct the number of identities
	// among them.
	Rows, Distinct int
	// Archived is the number of identities in the archive, Rolled the sum of
	// the rollups, Cached the sum of Redis' minutes.
	Archived, Rolled, Cached int
	Quarantined              int
}

// Look counts the events in all stores.
func (l *Local) Look(ctx context.Context) (c Counts, err error) {
	conn, err := pgx.Connect(ctx, l.Database)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM (SELECT DISTINCT event_id, timestamp FROM events) d),
		(SELECT coalesce(sum(n), 0)::bigint FROM metric_minute WHERE metric = 'events'), (SELECT count(*) FROM quarantine)`).
		Scan(&c.Rows, &c.Distinct, &c.Rolled, &c.Quarantined); err != nil {
		return c, err
	}
	identities, err := l.archived()
	if err != nil {
		return c, err
	}
	c.Archived = len(identities)
	c.Cached, err = l.cached(ctx)
	return c, err
}

// archived reads the identities of the archive's lines.
func (l *Local) archived() (map[string]bool, error) {
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(l.Archive, "raw"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".ndjson.gz") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		d := json.NewDecoder(z)
		for {
			var line struct {
				Event struct {
					Event struct {
						ID string `json:"eventId"`
						At string `json:"timestamp"`
					} `json:"event"`
				} `json:"event"`
			}
			if err := d.Decode(&line); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			found[line.Event.Event.ID+" "+line.Event.Event.At] = true
		}
	})
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	return found, err
}

// cached sums the events in Redis' minutes.
func (l *Local) cached(ctx context.Context) (total int, err error) {
	o, err := redis.ParseURL(l.Redis)
	if err != nil {
		return 0, err
	}
	client := redis.NewClient(o)
	defer func() { err = errors.Join(err, client.Close()) }()
	keys, err := client.Keys(ctx, "m:events:*").Result()
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		fields, err := client.HGetAll(ctx, key).Result()
		if err != nil {
			return 0, err
		}
		for name, value := range fields {
			if name == "." {
				continue
			}
			var rev, n int
			if _, err := fmt.Sscan(value, &rev, &n); err != nil {
				return 0, fmt.Errorf("%s %s %q: %w", key, name, value, err)
			}
			total += n
		}
	}
	return total, nil
}

// Settle waits until every store has all events, each once, and fails with the
// counts after patience.
func (l *Local) Settle(t testing.TB, want int, patience time.Duration) Counts {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var c Counts
	var err error
	whole := Counts{Rows: want, Distinct: want, Archived: want, Rolled: want, Cached: want}
	for {
		if c, err = l.Look(ctx); err == nil && c == whole {
			return c
		}
		if pause.For(ctx, 250*time.Millisecond) != nil {
			t.Fatalf("after %s: %+v, %v; want %d of each\n%s", patience, c, err, want, tail(l.Log()))
		}
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }
