package cache_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var (
	// Redis expires keys by its own clock, so the tests' day is today; noon
	// keeps them away from midnight.
	now    = time.Now().UTC().Truncate(24 * time.Hour).Add(12*time.Hour + 10*time.Minute + 30*time.Second)
	minute = now.Truncate(time.Minute)
	today  = now.Format(cache.DayLayout)
	clock  = func() time.Time { return now }
)

func row(rev, n int64) warehouse.MinuteRow {
	return warehouse.MinuteRow{Metric: "events", Minute: minute, Dimension: "view", Slot: 3, Rev: rev, N: n, Sum: "0"}
}

// source is a warehouse with these rows.
type source []warehouse.MinuteRow

func (s *source) MinuteRows(_ context.Context, _ string, minutes []time.Time) (rows []warehouse.MinuteRow, _ error) {
	for _, r := range *s {
		if slices.ContainsFunc(minutes, r.Minute.Equal) {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func TestLargerRevisionWins(t *testing.T) {
	client := redis.Client(t, redis.Start(t))
	c := cache.New(client, clock)
	s := &source{row(1, 5)}
	read := func() int64 {
		t.Helper()
		found, err := c.Minutes(t.Context(), "events", []time.Time{minute})
		if err != nil || len(found.Missing) > 0 || len(found.Rows) > 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		if len(found.Rows) == 0 {
			return 0
		}
		return found.Rows[0].N
	}
	for _, step := range []struct{ rev, n, want int64 }{
		{1, 5, 5}, {3, 9, 9}, {2, 100, 9}, {3, 100, 9}, {4, 2, 2}, {11, 7, 7}, {10, 100, 7}, {12, 0, 0},
	} {
		if err := c.Update(t.Context(), s, []warehouse.MinuteRow{row(step.rev, step.n)}, nil); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != step.want {
			t.Errorf("after revision %d with %d: %d, want %d", step.rev, step.n, got, step.want)
		}
	}
	at, err := client.ExpireTime(t.Context(), "m:events:"+minute.Format("200601021504")).Result()
	if err != nil || int64(at/time.Second) != minute.Add(cache.Window).Unix() {
		t.Errorf("expires at %d, %v", int64(at/time.Second), err)
	}
}

func TestAMinuteIsNeverCreatedFromAFragment(t *testing.T) {
	c := cache.New(redis.Client(t, redis.Start(t)), clock)
	other := row(7, 70)
	other.Dimension, other.Slot = "click", 0
	s := &source{other, row(2, 20)}
	before, err := c.Minutes(t.Context(), "events", []time.Time{minute})
	if err != nil || len(before.Missing) != 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	if err := c.Update(t.Context(), s, []warehouse.MinuteRow{row(2, 20)}, nil); err != nil {
		t.Fatal(err)
	}
	found, err := c.Minutes(t.Context(), "events", []time.Time{minute})
	if err != nil || len(found.Rows) != 2 || !found.AsOf.Equal(now) {
		t.Errorf("%+v, %v", found, err)
	}
	empty := minute.Add(-time.Minute)
	if _, err := c.Fill(t.Context(), s, "events", []time.Time{empty}); err != nil {
		t.Fatal(err)
	}
	if found, err := c.Minutes(t.Context(), "events", []time.Time{empty}); err != nil || len(found.Missing) != 0 || len(found.Rows) != 0 {
		t.Errorf("an empty minute reads %+v, %v", found, err)
	}
}

func TestMinutesOutsideTheWindowAreIgnored(t *testing.T) {
	client := redis.Client(t, redis.Start(t))
	c := cache.New(client, clock)
	old := row(1, 1)
	old.Minute = minute.Add(-cache.Window)
	s := &source{old}
	if err := c.Update(t.Context(), s, []warehouse.MinuteRow{old}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fill(t.Context(), s, "events", []time.Time{old.Minute}); err != nil {
		t.Fatal(err)
	}
	if n, err := client.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys, %v", n, err)
	}
}

func TestUsersAreAddedOnlyToExistingDays(t *testing.T) {
	client := redis.Client(t, redis.Start(t))
	c := cache.New(client, clock)
	users := map[string][]string{today: {"a", "b"}}
	if err := c.AddUsers(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.CountUsers(t.Context(), []string{today}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if err := client.PFAdd(t.Context(), "u:"+today, "c").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 2500 {
		users[today] = append(users[today], fmt.Sprint("user", i))
	}
	if err := c.AddUsers(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.CountUsers(t.Context(), []string{today, "20000101"}); err != nil || len(got) != 1 || got[today] < 2450 || got[today] > 2560 {
		t.Errorf("%v, %v", got, err)
	}
}

func load(t *testing.T, db *warehouse.DB, users ...string) warehouse.Loaded {
	t.Helper()
	var rows []warehouse.Row
	for i, user := range users {
		rows = append(rows, warehouse.Row{
			Event: event.Event{
				ID: uuid.New(), UserID: user, Type: "view", Timestamp: now.Add(-time.Duration(i) * time.Minute), Properties: []byte("{}"),
			}, ReceivedAt: now, ArrivedAt: now,
		})
	}
	done, err := db.Load(t.Context(), warehouse.Chunk{
		Shard: "s", FirstSeq: "1", LastSeq: "2", Records: 1, Decode: func(int) ([]warehouse.Row, []warehouse.Rejected) { return rows, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// same compares the entire content of Redis with the warehouse.
func same(t *testing.T, c *cache.Cache, db *warehouse.DB) {
	t.Helper()
	minutes := make([]time.Time, 20)
	for i := range minutes {
		minutes[i] = minute.Add(-time.Duration(i) * time.Minute)
	}
	found, err := c.Minutes(t.Context(), "events", minutes)
	if err != nil {
		t.Fatal(err)
	}
	want, err := db.MinuteRows(t.Context(), "events", minutes)
	if err != nil {
		t.Fatal(err)
	}
	index := func(rows []warehouse.MinuteRow) map[string]warehouse.MinuteRow {
		m := map[string]warehouse.MinuteRow{}
		for _, r := range rows {
			m[fmt.Sprint(r.Minute, r.Dimension, r.Slot)] = r
		}
		return m
	}
	if !maps.Equal(index(found.Rows), index(want)) {
		t.Errorf("cache has %v\nwarehouse has %v", found.Rows, want)
	}
}

func TestRefresh(t *testing.T) {
	d := shared.Warehouse(t, now, now)
	loader, owner := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner)
	client := redis.Client(t, redis.Start(t))
	c := cache.New(client, clock)
	refresh := func(want int) {
		t.Helper()
		if n, err := c.Refresh(t.Context(), owner); err != nil || n != want {
			t.Fatalf("%d minutes, %v; want %d", n, err, want)
		}
		same(t, c, owner)
		// The minutes of the last few minutes' transactions are refreshed
		// again, in case of a crash.
		if _, err := d.Conn(t).Exec(t.Context(), "UPDATE load_batch SET loaded_at = loaded_at - interval '1 hour'"); err != nil {
			t.Fatal(err)
		}
	}
	users := func(want int64) {
		t.Helper()
		if got, _, err := c.CountUsers(t.Context(), []string{today}); err != nil || got[today] != want {
			t.Errorf("%v users, %v; want %d", got, err, want)
		}
	}
	refresh(0)
	users(0)
	load(t, loader, "a", "b", "a") // without the loader's own write to Redis
	refresh(3)
	users(2)
	load(t, loader, "c")
	refresh(1)
	users(3)
	refresh(0)

	// A transaction that begins before a refresh and commits after it.
	late := d.Conn(t)
	if _, err := late.Exec(t.Context(), "BEGIN; SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	load(t, loader, "d")
	refresh(1)
	_, err := late.Exec(t.Context(), `
		INSERT INTO load_batch (loaded_at, shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes)
		VALUES (now() - interval '1 hour', 's', '1', '2', 1, 0, 0, 0, ARRAY[date_trunc('day', now()) + interval '12 h 5 min']);
		INSERT INTO metric_minute (metric, bucket, dimension, slot, rev, n) VALUES ('events', date_trunc('day', now()) + interval '12 h 5 min', 'view', 0, 1, 3);
		COMMIT`)
	if err != nil {
		t.Fatal(err)
	}
	refresh(2) // this one, and those that were uncertain at the last refresh
	refresh(0)

	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	refresh(4)
	users(4)
}

func TestLocalClientAndToken(t *testing.T) {
	s := redis.Start(t)
	client := cache.Local(s.Addr, "")
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	cfg := aws.Config{Region: "eu-west-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}, nil
	})}
	token, err := cache.Token(t.Context(), contract.Cache{ReplicationGroup: "Group-1", User: "sc-user"}, cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("http://" + token)
	if err != nil || u.Host != "group-1" || u.Path != "/" {
		t.Fatalf("token is %s, %v", token, err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"Action": "connect", "User": "sc-user", "X-Amz-Expires": "900", "X-Amz-Security-Token": "session",
		"X-Amz-Credential": "AKID/" + today + "/eu-west-1/elasticache/aws4_request", "X-Amz-SignedHeaders": "host",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("X-Amz-Signature")) != 64 || strings.Contains(token, "secret") {
		t.Errorf("token is %s", token)
	}
}

var _ goredis.UniversalClient = (*goredis.Client)(nil)
