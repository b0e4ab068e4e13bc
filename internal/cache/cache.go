// Package cache is the Redis side of the platform. It is a cache and never the
// truth: a minute that is there is whole, one that isn't says "ask PostgreSQL",
// and nothing lets a value go back to an older one.
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
	// Window is how long a minute stays, counted from the minute itself. An
	// older one is neither written nor filled.
	Window = 48 * time.Hour
	// Ahead is how far after now a minute may lie; no event is accepted that
	// lies further, and a key for one would stay for long.
	Ahead = 26 * time.Hour
	// userDays is how long a day's users stay, counted from the day.
	userDays = 35
)

// Keys: m:<metric>:<minute> is a hash of one minute, u:<day> a HyperLogLog of
// a day's users, meta:refreshed a hash with the last refresh.
const (
	minutePrefix = "m:"
	minuteLayout = "200601021504"
	userPrefix   = "u:"
	// newUserPrefix is where a day's users are gathered until they are whole.
	newUserPrefix = "u:new:"
	// DayLayout is how a day is written in a key.
	DayLayout    = "20060102"
	refreshedKey = "meta:refreshed"
)

// wholeField marks a hash as whole. Its value is when it was last filled, in
// Unix milliseconds. No dimension's field is without a slash.
const wholeField = "."

// write is the only writer of minutes: see its text.
//
//go:embed write.lua
var write string

// addUsers adds to a day's users only where they are whole.
const addUsers = `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PFADD', KEYS[1], unpack(ARGV)) end return 1`

// Cache reads and writes metrics in Redis. It may be used concurrently.
type Cache struct {
	client redis.UniversalClient
	now    func() time.Time
}

// New makes a cache of a client. now tells which minutes are past the window.
func New(client redis.UniversalClient, now func() time.Time) *Cache {
	return &Cache{client: client, now: now}
}

// Source is where whole minutes come from; *warehouse.DB is one.
type Source interface {
	MinuteRows(ctx context.Context, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error)
}

// minuteOf names one hash.
type minuteOf struct {
	metric string
	minute int64 // Unix seconds
}

func (m minuteOf) key() string {
	return minutePrefix + m.metric + ":" + time.Unix(m.minute, 0).UTC().Format(minuteLayout)
}

// Update writes rows that a load changed, and adds its users as AddUsers does. A
// minute that isn't there is filled from the source, whole.
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

// Fill reads whole minutes of a metric from the source and writes them.
// Minutes past the window are left out. It returns what it read even when the
// write fails; then the error is a *WriteError.
func (c *Cache) Fill(ctx context.Context, source Source, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	filled := c.now() // before the read: what is committed by now is in it
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

// WriteError is a failure of the cache, not of what it is filled from.
type WriteError struct{ err error }

func (e *WriteError) Error() string { return "fill minutes: " + e.err.Error() }

// Unwrap gives the cause.
func (e *WriteError) Unwrap() error { return e.err }

// put writes whole minutes; one without rows is empty.
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

// queue puts a call of the script into a pipeline. filled 0 writes to a hash
// that is there, any other time fills one.
func (c *Cache) queue(ctx context.Context, pipe redis.Pipeliner, m minuteOf, rows []warehouse.MinuteRow, filled int64) *redis.Cmd {
	args := make([]any, 0, 2+2*len(rows))
	args = append(args, filled, m.minute+int64(Window/time.Second))
	for _, r := range rows {
		args = append(args, r.Dimension+"/"+strconv.Itoa(r.Slot), encode(r))
	}
	return pipe.Eval(ctx, write, []string{m.key(), refreshedKey}, args...)
}

// group sorts rows by their minute, in the order in which minutes first come,
// without those past the window.
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

// AddUsers adds users to those of their days (YYYYMMDD) that are there.
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

// encode writes a row's value: rev n sum min max, "-" for none.
func encode(r warehouse.MinuteRow) string {
	return strings.Join([]string{strconv.FormatInt(r.Rev, 10), strconv.FormatInt(r.N, 10), r.Sum, orDash(r.Min), orDash(r.Max)}, " ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// decode reads a field and its value.
func decode(metric string, minute time.Time, field, value string) (r warehouse.MinuteRow, err error) {
	slash := strings.LastIndexByte(field, '/')
	parts := strings.Split(value, " ")
	if slash < 0 || len(parts) != 5 {
		return r, fmt.Errorf("read field %q: %q is no value", field, value)
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
