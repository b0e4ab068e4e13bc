package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse provides the data for a refresh; *warehouse.DB satisfies it.
type Warehouse interface {
	Source
	Changed(ctx context.Context, watermark string, oldest time.Time) (warehouse.Change, error)
	Metrics(ctx context.Context) ([]string, error)
	EachUser(ctx context.Context, from, to time.Time, each func(users []string) error) error
}

// endRefresh moves the watermark unless another refresh has started.
const endRefresh = `if redis.call('HGET', KEYS[1], 'turn') == ARGV[1] then redis.call('HSET', KEYS[1], 'xid', ARGV[2], 'at', ARGV[3]) end return 1`

// refreshPortion is how many minutes are read and written at a time.
const refreshPortion = 120

// Refresh rewrites every minute that changed since the last refresh, newest
// first, and the users of those days. Without a previous refresh it rewrites
// the whole window. The watermark moves only after everything is written: an
// interrupted refresh is repeated, and so is one during which Redis lost its
// data or another refresh began.
func (c *Cache) Refresh(ctx context.Context, w Warehouse) (minutes int, err error) {
	watermark, err := c.client.HGet(ctx, refreshedKey, "xid").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read watermark: %w", err)
	}
	begun, turn := c.now(), rand.Text()
	if err := c.client.HSet(ctx, refreshedKey, "turn", turn).Err(); err != nil {
		return 0, fmt.Errorf("begin refresh: %w", err)
	}
	change, err := w.Changed(ctx, watermark, begun.Add(-Window))
	if err != nil {
		return 0, err
	}
	metrics, err := w.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	for _, metric := range metrics {
		for at := 0; at < len(change.Minutes); at += refreshPortion {
			portion := change.Minutes[at:min(at+refreshPortion, len(change.Minutes))]
			if _, err := c.Fill(ctx, w, metric, portion); err != nil {
				return 0, err
			}
		}
	}
	if err := c.refreshUsers(ctx, w, change.Minutes, begun); err != nil {
		return 0, err
	}
	err = c.client.Eval(ctx, endRefresh, []string{refreshedKey}, turn, change.Watermark, begun.UnixMilli()).Err()
	if err != nil {
		return 0, fmt.Errorf("store watermark: %w", err)
	}
	return len(change.Minutes), nil
}

// Rebuild rewrites minutes from (inclusive) to (exclusive) and the users of
// their days, with RebuildMinutes and RebuildUsers.
func (c *Cache) Rebuild(ctx context.Context, w Warehouse, from, to time.Time) (minutes int, err error) {
	if err := c.StartRebuild(ctx); err != nil {
		return 0, err
	}
	from = from.UTC().Truncate(time.Minute)
	for at := from; at.Before(to); at = at.Add(refreshPortion * time.Minute) {
		n, err := c.RebuildMinutes(ctx, w, at, minTime(to, at.Add(refreshPortion*time.Minute)))
		minutes += n
		if err != nil {
			return minutes, err
		}
	}
	for day := from.Truncate(24 * time.Hour); day.Before(to); day = day.AddDate(0, 0, 1) {
		if err := c.RebuildUsers(ctx, w, day); err != nil {
			return minutes, err
		}
	}
	return minutes, nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// StartRebuild deletes the watermark, so that the next refresh covers the whole
// window. Call it before RebuildMinutes.
func (c *Cache) StartRebuild(ctx context.Context) error {
	if err := c.client.HDel(ctx, refreshedKey, "xid", "at").Err(); err != nil {
		return fmt.Errorf("delete watermark: %w", err)
	}
	return nil
}

// RebuildMinutes rewrites the minutes from (inclusive) to (exclusive), at most
// a few hours. It first deletes the existing data: a restored database has
// smaller revisions, which would lose against newer ones. Minutes outside the
// window are only deleted.
func (c *Cache) RebuildMinutes(ctx context.Context, w Warehouse, from, to time.Time) (minutes int, err error) {
	metrics, err := w.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	var portion []time.Time
	for m := from.UTC().Truncate(time.Minute); m.Before(to); m = m.Add(time.Minute) {
		portion = append(portion, m)
	}
	for _, metric := range metrics {
		if err := c.forget(ctx, metric, portion); err != nil {
			return 0, err
		}
		if _, err := c.Fill(ctx, w, metric, portion); err != nil {
			return 0, err
		}
	}
	return len(portion), nil
}

// RebuildUsers rewrites the users of a day (UTC), or deletes them if the day is
// not cached any more.
func (c *Cache) RebuildUsers(ctx context.Context, w Warehouse, day time.Time) error {
	if day.AddDate(0, 0, UserDays).After(c.now()) {
		if err := c.buildUsers(ctx, w, day); err != nil {
			return err
		}
		// Again, for the users that were loaded during the build: they were added
		// to the previous day.
		name := day.Format(DayLayout)
		return w.EachUser(ctx, day, day.AddDate(0, 0, 1), func(users []string) error {
			return c.AddUsers(ctx, map[string][]string{name: users})
		})
	}
	if err := c.client.Del(ctx, userPrefix+day.Format(DayLayout)).Err(); err != nil {
		return fmt.Errorf("delete users: %w", err)
	}
	return nil
}

// forget deletes minutes of a metric.
func (c *Cache) forget(ctx context.Context, metric string, minutes []time.Time) error {
	keys := make([]string, len(minutes))
	for i, m := range minutes {
		keys[i] = minuteOf{metric, m.Unix()}.key()
	}
	if err := c.client.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("delete minutes of %s: %w", metric, err)
	}
	return nil
}

// refreshUsers builds the days that are not cached, always including today, and
// adds the users of the changed minutes to the days that are.
func (c *Cache) refreshUsers(ctx context.Context, w Warehouse, minutes []time.Time, now time.Time) error {
	built := map[string]bool{}
	ensure := func(at time.Time) (fresh bool, err error) {
		day := at.UTC().Format(DayLayout)
		if done, ok := built[day]; ok {
			return done, nil
		}
		n, err := c.client.Exists(ctx, userPrefix+day).Result()
		if err != nil {
			return false, fmt.Errorf("look for users of %s: %w", day, err)
		}
		if n == 0 {
			if err := c.buildUsers(ctx, w, at.UTC().Truncate(24*time.Hour)); err != nil {
				return false, err
			}
		}
		built[day] = n == 0
		return n == 0, nil
	}
	if _, err := ensure(now); err != nil {
		return err
	}
	for _, minute := range minutes {
		fresh, err := ensure(minute)
		if err != nil {
			return err
		}
		if fresh { // the day was read after the changes, so it includes these users
			continue
		}
		day := minute.UTC().Format(DayLayout)
		err = w.EachUser(ctx, minute, minute.Add(time.Minute), func(users []string) error {
			return c.AddUsers(ctx, map[string][]string{day: users})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// buildTime is how long the users of an interrupted build are kept.
const buildTime = 15 * time.Minute

// buildUsers collects a day's users under a key of its own and then renames it,
// so that an incomplete day is never counted.
func (c *Cache) buildUsers(ctx context.Context, w Warehouse, day time.Time) error {
	name := day.Format(DayLayout)
	apart := newUserPrefix + name + ":" + rand.Text()
	// A day without users must exist too.
	if err := c.client.PFAdd(ctx, apart).Err(); err != nil {
		return fmt.Errorf("build users of %s: %w", name, err)
	}
	if err := c.client.Expire(ctx, apart, buildTime).Err(); err != nil {
		return fmt.Errorf("build users of %s: %w", name, err)
	}
	err := w.EachUser(ctx, day, day.AddDate(0, 0, 1), func(users []string) error {
		return c.client.PFAdd(ctx, apart, toAny(users)...).Err()
	})
	if err != nil {
		return fmt.Errorf("build users of %s: %w", name, err)
	}
	_, err = c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.ExpireAt(ctx, apart, day.AddDate(0, 0, UserDays))
		pipe.Rename(ctx, apart, userPrefix+name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("build users of %s: %w", name, err)
	}
	return nil
}
