package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Minutes is the result of reading minutes from the cache.
type Minutes struct {
	// Rows are the rows of the minutes found.
	Rows []warehouse.MinuteRow
	// Missing lists the minutes that are not cached, in order.
	Missing []time.Time
	// AsOf is the time up to which every minute found includes all committed
	// data; zero if all are missing.
	AsOf time.Time
}

// Minutes reads minutes of a metric. A missing minute does not mean zero: read
// it from PostgreSQL.
func (c *Cache) Minutes(ctx context.Context, metric string, minutes []time.Time) (Minutes, error) {
	var refreshed *redis.StringCmd
	hashes := make([]*redis.MapStringStringCmd, len(minutes))
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		refreshed = pipe.HGet(ctx, refreshedKey, "at")
		for i, minute := range minutes {
			hashes[i] = pipe.HGetAll(ctx, minuteOf{metric, minute.Unix()}.key())
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Minutes{}, fmt.Errorf("read minutes: %w", err)
	}
	at, err := milliseconds(refreshed)
	if err != nil {
		return Minutes{}, err
	}
	var found Minutes
	for i, minute := range minutes {
		fields := hashes[i].Val()
		whole, ok := fields[wholeField]
		if !ok {
			found.Missing = append(found.Missing, minute)
			continue
		}
		filled, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return Minutes{}, fmt.Errorf("read minute: %w", err)
		}
		if asOf := time.UnixMilli(max(filled, at)).UTC(); found.AsOf.IsZero() || asOf.Before(found.AsOf) {
			found.AsOf = asOf
		}
		for field, value := range fields {
			if field == wholeField {
				continue
			}
			row, err := decode(metric, minute, field, value)
			if err != nil {
				return Minutes{}, err
			}
			if row.N != 0 { // corrections leave rows with n = 0
				found.Rows = append(found.Rows, row)
			}
		}
	}
	return found, nil
}

func milliseconds(cmd *redis.StringCmd) (int64, error) {
	n, err := cmd.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read last refresh: %w", err)
	}
	return n, nil
}

// CountUsers estimates the number of distinct users per day (YYYYMMDD), to
// about 1 %. Days that are not cached are missing from the result. asOf is the
// time of the last refresh; zero if there was none.
func (c *Cache) CountUsers(ctx context.Context, days []string) (byDay map[string]int64, asOf time.Time, err error) {
	var refreshed *redis.StringCmd
	exists, counts := make([]*redis.IntCmd, len(days)), make([]*redis.IntCmd, len(days))
	_, err = c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		refreshed = pipe.HGet(ctx, refreshedKey, "at")
		for i, day := range days {
			exists[i] = pipe.Exists(ctx, userPrefix+day)
			counts[i] = pipe.PFCount(ctx, userPrefix+day)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, time.Time{}, fmt.Errorf("count users: %w", err)
	}
	at, err := milliseconds(refreshed)
	if err != nil {
		return nil, time.Time{}, err
	}
	byDay = map[string]int64{}
	for i, day := range days {
		if exists[i].Val() == 1 {
			byDay[day] = counts[i].Val()
		}
	}
	if at > 0 {
		asOf = time.UnixMilli(at).UTC()
	}
	return byDay, asOf, nil
}

// answerPrefix is the prefix of the keys of answers.
const answerPrefix = "meta:answer:"

// Answer returns a kept answer; ok is false if there is none.
func (c *Cache) Answer(ctx context.Context, key string) (answer []byte, ok bool, err error) {
	answer, err = c.client.Get(ctx, answerPrefix+key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read answer: %w", err)
	}
	return answer, true, nil
}

// KeepAnswer keeps an answer for a while.
func (c *Cache) KeepAnswer(ctx context.Context, key string, answer []byte, keep time.Duration) error {
	if err := c.client.Set(ctx, answerPrefix+key, answer, keep).Err(); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}
