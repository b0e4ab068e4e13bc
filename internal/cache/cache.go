// Package cache stores metrics in Redis. It is only a cache: an existing minute
// is complete, a missing one must be read from PostgreSQL, and a value is never
// replaced by an older one.
package cache

import (
	"context"
	_ "embed" // the script
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Lifetimes of keys.
const (
	// Window is how long a minute is cached, counted from the minute itself.
	// Older minutes are neither written nor filled.
	Window = 48 * time.Hour
	// Ahead is how far in the future a minute may be. No accepted event is
	// further ahead, and its key would be stored for too long.
	Ahead = 26 * time.Hour
	// UserDays is how many days a day's users are cached, counted from that
	// day.
	UserDays = 35
)

// Keys: m:<metric>:<minute> is a hash with one minute, u:<day> a HyperLogLog of
// a day's users, meta:refreshed a hash with the last refresh.
const (
	minutePrefix = "m:"
	minuteLayout = "200601021504"
	userPrefix   = "u:"
	// newUserPrefix is the prefix of incomplete user days.
	newUserPrefix = "u:new:"
	// DayLayout is the format of a day in a key.
	DayLayout    = "20060102"
	refreshedKey = "meta:refreshed"
)

// wholeField marks a hash as complete. Its value is the time of the last fill
// in Unix milliseconds. Fields of dimensions contain a slash.
const wholeField = "."

// write is the only script that writes minutes; see its comment.
//
//go:embed write.lua
var write string

// addUsers adds users to a day only if the day exists.
const addUsers = `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PFADD', KEYS[1], unpack(ARGV)) end return 1`

// Cache reads and writes metrics in Redis. It is safe for concurrent use.
type Cache struct {
	client redis.UniversalClient
	now    func() time.Time
}

// New returns a cache that uses client. now is the current time, which
// determines the window.
func New(client redis.UniversalClient, now func() time.Time) *Cache {
	return &Cache{client: client, now: now}
}

// Source provides complete minutes; *warehouse.DB is one.
type Source interface {
	MinuteRows(ctx context.Context, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error)
}

// minuteOf identifies one hash.
type minuteOf struct {
	metric string
	minute int64 // Unix seconds
}

func (m minuteOf) key() string {
	return minutePrefix + m.metric + ":" + time.Unix(m.minute, 0).UTC().Format(minuteLayout)
}

// Update writes the rows that a load changed, and adds its users as AddUsers
// does. A missing minute is filled from the source, completely.
func (c *Cache) Update(ctx context.Context, source Source, rows []warehouse.MinuteRow, users map[string][]string) error {
	groups, order := c.group(rows)
	results := make([]*redis.Cmd, len(order))
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, m := range order {
			results[i] = c.queue(ctx, pipe, m, groups[m], 0)
		}
		queueUsers(ctx, pipe, users)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write minutes and users: %w", err)
	}
	missing := map[string][]time.Time{}
	for i, m := range order {
		if n, err := results[i].Int(); err == nil && n == 0 {
			missing[m.metric] = append(missing[m.metric], time.Unix(m.minute, 0).UTC())
		}
	}
	for metric, minutes := range missing {
		if _, err := c.Fill(ctx, source, metric, minutes); err != nil {
			return err
		}
	}
	return nil
}

// Fill reads complete minutes of a metric from the source and writes them. It
// skips minutes outside the window. It returns the rows it read even if the
// write fails; the error is then a *WriteError.
func (c *Cache) Fill(ctx context.Context, source Source, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	filled := c.now() // taken before the read, so that everything committed by then is included
	var wanted []time.Time
	for _, m := range minutes {
		if c.inWindow(m.Unix()) {
			wanted = append(wanted, m)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	rows, err := source.MinuteRows(ctx, metric, wanted)
	if err != nil {
		return nil, err
	}
	if err := c.put(ctx, metric, wanted, rows, filled); err != nil {
		return rows, &WriteError{err}
	}
	return rows, nil
}

// WriteError is a failure of the cache, not of the source.
type WriteError struct{ err error }

func (e *WriteError) Error() string { return "fill minutes: " + e.err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.err }

// put writes complete minutes; a minute without rows is empty.
func (c *Cache) put(ctx context.Context, metric string, minutes []time.Time, rows []warehouse.MinuteRow, filled time.Time) error {
	groups, _ := c.group(rows)
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, minute := range minutes {
			m := minuteOf{metric, minute.Unix()}
			c.queue(ctx, pipe, m, groups[m], filled.UnixMilli())
		}
		return nil
	})
	return err
}

// queue adds a call of the script to a pipeline. With filled 0 it updates an
// existing hash, otherwise it fills one.
func (c *Cache) queue(ctx context.Context, pipe redis.Pipeliner, m minuteOf, rows []warehouse.MinuteRow, filled int64) *redis.Cmd {
	args := make([]any, 0, 2+2*len(rows))
	args = append(args, filled, m.minute+int64(Window/time.Second))
	for _, r := range rows {
		args = append(args, r.Dimension+"/"+strconv.Itoa(r.Slot), encode(r))
	}
	return pipe.Eval(ctx, write, []string{m.key(), refreshedKey}, args...)
}

// group groups rows by minute, in order of first occurrence, without rows
// outside the window.
func (c *Cache) group(rows []warehouse.MinuteRow) (map[minuteOf][]warehouse.MinuteRow, []minuteOf) {
	groups := map[minuteOf][]warehouse.MinuteRow{}
	var order []minuteOf
	for _, r := range rows {
		m := minuteOf{r.Metric, r.Minute.Unix()}
		if !c.inWindow(m.minute) {
			continue
		}
		if _, ok := groups[m]; !ok {
			order = append(order, m)
		}
		groups[m] = append(groups[m], r)
	}
	return groups, order
}

func (c *Cache) inWindow(minute int64) bool {
	at, now := time.Unix(minute, 0), c.now()
	return at.Add(Window).After(now) && !at.After(now.Add(Ahead))
}

// AddUsers adds users to those days (YYYYMMDD) that exist.
func (c *Cache) AddUsers(ctx context.Context, byDay map[string][]string) error {
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		queueUsers(ctx, pipe, byDay)
		return nil
	})
	if err != nil {
		return fmt.Errorf("add users: %w", err)
	}
	return nil
}

func queueUsers(ctx context.Context, pipe redis.Pipeliner, byDay map[string][]string) {
	const portion = 1000
	for day, users := range byDay {
		for part := range slices.Chunk(users, portion) {
			pipe.Eval(ctx, addUsers, []string{userPrefix + day}, toAny(part)...)
		}
	}
}

func toAny(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}

// encode returns a row's value: rev n sum min max, with "-" for a missing min
// or max.
func encode(r warehouse.MinuteRow) string {
	return strings.Join([]string{strconv.FormatInt(r.Rev, 10), strconv.FormatInt(r.N, 10), r.Sum, orDash(r.Min), orDash(r.Max)}, " ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// decode parses a field and its value.
func decode(metric string, minute time.Time, field, value string) (r warehouse.MinuteRow, err error) {
	slash := strings.LastIndexByte(field, '/')
	parts := strings.Split(value, " ")
	if slash < 0 || len(parts) != 5 {
		return r, fmt.Errorf("read field %q: %q is not a value", field, value)
	}
	r = warehouse.MinuteRow{Metric: metric, Minute: minute, Dimension: field[:slash], Sum: parts[2]}
	if r.Slot, err = strconv.Atoi(field[slash+1:]); err != nil {
		return r, fmt.Errorf("read field %q: %w", field, err)
	}
	if r.Rev, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return r, fmt.Errorf("read field %q: %w", field, err)
	}
	if r.N, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return r, fmt.Errorf("read field %q: %w", field, err)
	}
	if parts[3] != "-" {
		r.Min = parts[3]
	}
	if parts[4] != "-" {
		r.Max = parts[4]
	}
	return r, nil
}
