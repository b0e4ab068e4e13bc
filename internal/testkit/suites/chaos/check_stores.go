package chaos

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// checkRedis compares every minute in Redis, field by field, with the rollups,
// and each day's users with events.
func (w *World) checkRedis(ctx context.Context, conn *pgx.Conn, r *Report, rows []warehouse.MinuteRow) error {
	want := map[string]map[string]string{}
	oldest := w.Clock.Now().Add(-cache.Window + time.Minute)
	for _, row := range rows {
		if row.Minute.Before(oldest) {
			continue
		}
		key := "m:" + row.Metric + ":" + row.Minute.UTC().Format("200601021504")
		if want[key] == nil {
			want[key] = map[string]string{}
		}
		dash := func(s string) string {
			if s == "" {
				return "-"
			}
			return s
		}
		want[key][row.Dimension+"/"+strconv.Itoa(row.Slot)] = fmt.Sprintf("%d %d %s %s %s", row.Rev, row.N, row.Sum, dash(row.Min), dash(row.Max))
	}
	keys, err := w.raw.Keys(ctx, "m:*").Result()
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, key := range keys {
		found[key] = true
		fields, err := w.raw.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		if len(fields) == 0 { // it has just expired
			found[key] = false
			continue
		}
		if _, ok := fields["."]; !ok {
			r.complain(Redis, "%s isn't whole", key)
		}
		delete(fields, ".")
		for f, v := range want[key] {
			if fields[f] != v {
				r.complain(Redis, "%s %s is %q, want %q", key, f, fields[f], v)
			}
			delete(fields, f)
		}
		for f, v := range fields {
			r.complain(Redis, "%s %s is %q, want none", key, f, v)
		}
	}
	for key := range want {
		if !found[key] {
			r.complain(Redis, "%s isn't there", key)
		}
	}
	r.count(Redis, "%d minutes of Redis = rollups", len(want))
	return w.checkUsers(ctx, conn, r, rows)
}

// checkUsers compares the estimates of today, and of the days with cached
// minutes, with the exact numbers.
func (w *World) checkUsers(ctx context.Context, conn *pgx.Conn, r *Report, rows []warehouse.MinuteRow) error {
	now := w.Clock.Now()
	days := map[time.Time]bool{now.Truncate(day): true}
	for _, row := range rows {
		if row.Minute.After(now.Add(-cache.Window + time.Minute)) {
			days[row.Minute.UTC().Truncate(day)] = true
		}
	}
	for at := range days {
		var exact int64
		if err := conn.QueryRow(ctx, "SELECT count(DISTINCT user_id) FROM events WHERE timestamp >= $1 AND timestamp < $2", at, at.Add(day)).Scan(&exact); err != nil {
			return err
		}
		name := at.Format(cache.DayLayout)
		byDay, _, err := w.Cache.CountUsers(ctx, []string{name})
		if err != nil {
			return err
		}
		if got, ok := byDay[name]; !ok || got < exact-estimate || got > exact+estimate {
			r.complain(Redis, "%d users on %s (%v), want %d", got, name, ok, exact)
		}
	}
	return nil
}

// archivedLine is a decoded line of an object.
type archivedLine struct {
	Shard string
	Seq   string
	I     int
	At    time.Time
	Key   string
	Event json.RawMessage
	Data  []byte `json:"data64"`
}

// checkArchive reassembles the archive's lines, without repeats, and compares
// them with the stream byte for byte. About an object's key it only assumes the
// prefix raw/v1/ and the hour.
func (w *World) checkArchive(r *Report) error {
	type place struct {
		shard, seq string
		i          int
	}
	lines := map[place][]byte{}
	counts := map[[2]string]int{}
	origins := map[[2]string]string{} // arrival and key
	objects := w.Bucket.Keys("raw/v1/")
	for _, key := range objects {
		zr, err := gzip.NewReader(bytes.NewReader(w.Bucket.Object(key)))
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		text, err := io.ReadAll(zr)
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		for line := range bytes.Lines(text) {
			var l archivedLine
			if err := json.Unmarshal(line, &l); err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
			if hour := "raw/v1/" + l.At.UTC().Format("dt=2006-01-02/hr=15/") + l.Shard + "/"; !strings.HasPrefix(key, hour) {
				r.complain(Archive, "%s holds a line of %s", key, hour)
			}
			p := place{l.Shard, l.Seq, l.I}
			data := []byte(l.Event)
			if l.Event == nil {
				data = l.Data
			}
			if old, again := lines[p]; again && !bytes.Equal(old, data) {
				r.complain(Archive, "%s line %d comes with other bytes", l.Seq, l.I)
			} else if !again {
				lines[p] = data
				counts[[2]string{l.Shard, l.Seq}]++
				origins[[2]string{l.Shard, l.Seq}] = l.At.UTC().String() + l.Key
			}
		}
	}
	records, size := 0, 0
	for shard, all := range w.Stream.Records() {
		for _, rec := range all {
			var joined []byte
			for i := range counts[[2]string{shard, rec.SequenceNumber}] {
				if i > 0 {
					joined = append(joined, '\n')
				}
				joined = append(joined, lines[place{shard, rec.SequenceNumber, i}]...)
			}
			switch n := counts[[2]string{shard, rec.SequenceNumber}]; {
			case n == 0:
				r.complain(Archive, "record %s of %s isn't there", rec.SequenceNumber, shard)
			case !bytes.Equal(joined, rec.Data):
				r.complain(Archive, "record %s of %s has other bytes", rec.SequenceNumber, shard)
			case origins[[2]string{shard, rec.SequenceNumber}] != rec.Arrival.UTC().String()+rec.PartitionKey:
				r.complain(Archive, "record %s of %s has another arrival or key", rec.SequenceNumber, shard)
			}
			records, size = records+1, size+len(rec.Data)
		}
	}
	r.count(Archive, "archive without repeats = stream (%d records, %d bytes, %d objects)", records, size, len(objects))
	return nil
}
