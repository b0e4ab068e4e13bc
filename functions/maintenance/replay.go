package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Loader loads chunks; *warehouse.DB satisfies it, logged in as
// contract.RoleLoader: row-level security applies to it as to the stream.
type Loader interface {
	Load(context.Context, warehouse.Chunk) (warehouse.Loaded, error)
}

// Objects stores the bytes of lines that are rejected; archive.Writer satisfies
// it.
type Objects interface {
	Put(ctx context.Context, key string, body []byte) error
}

// position is how far a replay has come: Records of the object Key, and all
// objects before it. Done means that the object is complete.
type position struct {
	Hour    time.Time `json:"hour,omitzero"`
	Key     string    `json:"key,omitempty"`
	Records int       `json:"records,omitempty"`
	Done    bool      `json:"done,omitempty"`
	// Links is how far the check of the links between ids has come.
	Links linkCheck `json:"links,omitzero"`
}

// replay loads the records of archive objects again.
type replay struct {
	s    *slice
	from objects
	// prefix precedes the shards of another archive, whose positions are not
	// positions of this stream.
	prefix string
	match  func(event.Event) bool

	at      position
	listed  bool // objects lists the rest of at.Hour
	objects []object
	records []archive.ArchivedRecord // the rest of at.Key
	ahead   chan read                // of objects[0]; nil if it is not being read
}

// read is the result of reading an object.
type read struct {
	records []archive.ArchivedRecord
	err     error
}

func newReplay(s *slice) (worker, error) {
	p := s.params
	from, err := s.objectsOf(p)
	if err != nil {
		return nil, err
	}
	r := &replay{s: s, from: from, match: matching(p)}
	if bucket, ok := strings.CutPrefix(p.Source, contract.SourceBucket); ok {
		r.prefix = bucket + ":"
	}
	return r, s.cursor(&r.at)
}

// matching returns the filter of events; nil selects every event.
func matching(p contract.JobParameters) func(event.Event) bool {
	if p.EventType == "" && p.User == "" {
		return nil
	}
	return func(e event.Event) bool {
		return (p.EventType == "" || e.Type == p.EventType) && (p.User == "" || e.UserID == p.User)
	}
}

// saveEvery is the interval at which steps that load nothing are recorded.
const saveEvery = 5 * time.Second

func (r *replay) next(ctx context.Context) (done bool, err error) {
	if !r.at.Links.Done {
		return false, r.checkLinks(ctx)
	}
	if len(r.records) == 0 {
		more, err := r.advance(ctx)
		if err != nil {
			return false, err
		}
		if !more {
			return true, r.save(ctx)
		}
		if len(r.records) == 0 {
			if r.s.Clock.Now().Sub(r.s.saved) >= saveEvery {
				err = r.save(ctx)
			}
			return false, err
		}
	}
	return false, r.load(ctx)
}

func (r *replay) save(ctx context.Context) error {
	return r.s.save(ctx, r.at, func(map[string]int64) {})
}

// advance reads the next object; more is false if there is none.
func (r *replay) advance(ctx context.Context) (more bool, err error) {
	for len(r.objects) == 0 {
		if r.listed {
			r.at = position{Hour: r.from.after(r.at.Hour), Links: r.at.Links}
		}
		if r.at.Hour, more = r.from.begin(r.at.Hour); !more {
			return false, nil
		}
		if r.objects, err = r.from.list(ctx, r.at.Hour); err != nil {
			return false, err
		}
		r.listed = true
		if i := slices.IndexFunc(r.objects, func(o object) bool { return o.key == r.at.Key }); i >= 0 {
			if r.at.Done {
				i++
			}
			r.objects = r.objects[i:]
		}
		if len(r.objects) == 0 {
			return true, nil
		}
	}
	o := r.objects[0]
	skip := 0
	if o.key == r.at.Key {
		skip = r.at.Records
	}
	got := r.take(ctx, o)
	if got.err != nil {
		return false, got.err
	}
	r.objects = r.objects[1:]
	p := r.s.params
	records := slices.DeleteFunc(got.records, func(rec archive.ArchivedRecord) bool {
		return !p.From.IsZero() && rec.Arrived.Before(p.From) || !p.To.IsZero() && !rec.Arrived.Before(p.To)
	})
	r.records = records[min(skip, len(records)):]
	r.at.Key, r.at.Records, r.at.Done = o.key, skip, len(r.records) == 0
	return true, nil
}

// take returns the records of an object and begins to read the next one.
func (r *replay) take(ctx context.Context, o object) read {
	ch := r.ahead
	if ch == nil {
		ch = r.begin(ctx, o)
	}
	r.ahead = nil
	got := <-ch
	if got.err == nil && len(r.objects) > 1 {
		r.ahead = r.begin(ctx, r.objects[1])
	}
	return got
}

func (r *replay) begin(ctx context.Context, o object) chan read {
	ch := make(chan read, 1)
	go func() {
		records, err := o.read(ctx)
		ch <- read{records, err}
	}()
	return ch
}

// close waits for the object that is being read.
func (r *replay) close() {
	if r.ahead != nil {
		<-r.ahead
	}
}

// load loads the next chunk of the current object.
func (r *replay) load(ctx context.Context) error {
	c := chunk.First(r.records, r.s.pace.chunk())
	n := c.Records
	if r.prefix != "" {
		c.Shard, c.Source = r.prefix+c.Shard, strings.TrimSuffix(r.prefix, ":")
	}
	c.Match, c.Formats = r.match, r.s.env.StreamFormats
	at := r.at
	at.Records += n
	at.Done = n == len(r.records)
	_, err := r.s.load(ctx, c, at, func(_ warehouse.Loaded, counts map[string]int64) {
		counts[countDone] += int64(n)
		if at.Done {
			counts[contract.CountObjects]++
		}
	})
	if err != nil {
		return err
	}
	r.at, r.records = at, r.records[n:]
	return nil
}

// loadTries is how often a chunk is loaded while its days get partitions, or
// while slow events are isolated.
const loadTries = 6

const (
	// cacheTime is the timeout for updating the cache after a chunk.
	cacheTime = 3 * time.Second
	// keepTime is the timeout for writing a quarantine object: the server ends a
	// transaction that is idle for 10 seconds.
	keepTime = 8 * time.Second
)

// load loads a chunk and records the step in the same transaction.
func (s *slice) load(ctx context.Context, c *chunk.Chunk, cursor any, add func(warehouse.Loaded, map[string]int64)) (loaded warehouse.Loaded, err error) {
	step, recorded, err := s.step(cursor, func(l warehouse.Loaded, counts map[string]int64) {
		counts[contract.CountInserted] += int64(l.Inserted)
		counts[contract.CountDuplicates] += int64(l.Duplicates)
		counts[contract.CountRejected] += int64(l.Quarantined)
		counts[contract.CountExpired] += int64(l.Expired)
		if slowed := s.pace.slowed / time.Second; slowed > 0 {
			s.pace.slowed -= slowed * time.Second
			counts[contract.CountSlowed] += int64(slowed)
		}
		add(l, counts)
	})
	if err != nil {
		return loaded, err
	}
	c.Job, c.RejectAll = step, true
	if c.Keep == nil {
		c.Keep = func(ctx context.Context, bad []warehouse.Rejected) (string, error) { return s.keep(ctx, c, bad) }
	}
	for try := 1; ; try++ {
		loaded, err = s.Loader.Load(ctx, c.Chunk)
		if err == nil {
			break
		}
		if try == loadTries || ctx.Err() != nil {
			return loaded, err
		}
		switch {
		case warehouse.NeedsDays(err):
			today := s.Clock.Now()
			if _, daysErr := s.Warehouse.Days.EnsurePartitions(ctx, today, today, s.Clock.For); daysErr != nil {
				return loaded, errors.Join(err, daysErr)
			}
		case !warehouse.IsTimeout(err):
			return loaded, err
		}
	}
	recorded()
	s.pace.events += loaded.Inserted + loaded.Duplicates + loaded.Quarantined + loaded.Expired
	if err := s.addUsers(ctx, loaded.Users); err != nil {
		s.Log.ErrorContext(ctx, "users not added to the cache", "job", s.job.ID, "err", err)
		s.counts[contract.CountCacheErrors]++
	}
	return loaded, nil
}

// addUsers adds the users of inserted events to the cache. The next refresh
// rewrites the changed minutes, but it does not look for users of older days.
func (s *slice) addUsers(ctx context.Context, byDay map[string][]string) error {
	if len(byDay) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cacheTime)
	defer cancel()
	return s.Cache.AddUsers(ctx, byDay)
}

// keep writes rejected lines to quarantine.
func (s *slice) keep(ctx context.Context, c *chunk.Chunk, bad []warehouse.Rejected) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	lines := make([]archive.Line, len(bad))
	for i, b := range bad {
		lines[i] = c.Line(b)
		lines[i].Shard = c.Shard
	}
	key, body, err := archive.Quarantine(lines)
	if err != nil {
		return "", err
	}
	if err := s.Objects.Put(ctx, key, body); err != nil {
		return "", fmt.Errorf("keep rejected lines: %w", err)
	}
	return key, nil
}
