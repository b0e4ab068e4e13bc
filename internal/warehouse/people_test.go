package warehouse_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// linksOf describes the links and the users' numbers of links.
func linksOf(t *testing.T, conn *pgx.Conn) (text string) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(concat_ws(' ', anonymous_id, user_id, timestamp, event_id), E'\n' ORDER BY anonymous_id) FROM identity), '') || E'\n' ||
		coalesce((SELECT string_agg(concat_ws(' ', user_id, links), E'\n' ORDER BY user_id) FROM identity_user), '')`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wrongCounts counts the users whose number of links isn't that of identity.
const wrongCounts = `SELECT count(*) FROM (SELECT user_id, count(*) AS links FROM identity GROUP BY 1) a FULL JOIN identity_user b USING (user_id)
	WHERE a.links IS DISTINCT FROM b.links`

func messages(n int, random *rand.Rand) []warehouse.Row {
	return rows(n, func(_ int, r *warehouse.Row) {
		r.Event.UserID = fmt.Sprint("user", random.IntN(20))
		r.Event.Timestamp = noon.Add(time.Duration(random.IntN(60)) * time.Second)
		for range random.IntN(3) {
			r.Links = append(r.Links, fmt.Sprint("anon:", random.IntN(40)))
		}
		if random.IntN(3) == 0 {
			r.Event.UserID, r.Links = fmt.Sprint("anon:", random.IntN(40)), nil
		}
	})
}

// TestLinksDontDependOnTheOrder loads the same messages in several orders, chunk by
// chunk and from six connections, and again; all warehouses have the same people.
func TestLinksDontDependOnTheOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := messages(600, random)
	want := ""
	for variant := range 3 {
		d := shared.Warehouse(t, noon, noon)
		parts := slices.Collect(slices.Chunk(all, len(all)/[]int{1, 30, 60}[variant]))
		var each sync.WaitGroup
		errs := make([]error, 6)
		for worker := range errs {
			db := d.As(t, contract.RoleLoader)
			each.Go(func() {
				for i, part := range parts {
					if i%len(errs) != worker {
						continue
					}
					c := chunk(part)
					c.Shard = fmt.Sprint("shardId-", worker)
					if _, err := db.Load(t.Context(), c); err != nil {
						errs[worker] = err
					}
				}
			})
		}
		each.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		conn := d.Conn(t)
		got := linksOf(t, conn)
		if want == "" {
			want = got
		}
		if got != want || strings.Count(got, "anon:") < 35 {
			t.Errorf("variant %d:\n%s\nwant\n%s", variant, got, want)
		}
		if n := number(t, conn, wrongCounts); n != 0 {
			t.Errorf("%d users have a wrong number of links", n)
		}
		load(t, d.As(t, contract.RoleLoader), chunk(all)) // a replay
		if again := linksOf(t, conn); again != want {
			t.Errorf("after a replay:\n%s\nwant\n%s", again, want)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
}

// TestPeopleEvents reads the view: an anonymous event belongs to the user of the earliest
// link, and nobody can link a known user's events.
func TestPeopleEvents(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	people := func() map[string]string {
		rows, err := conn.Query(t.Context(), "SELECT DISTINCT user_id, person_id FROM people_events")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		var user, person string
		if _, err := pgx.ForEachRow(rows, []any{&user, &person}, func() error { out[user] = person; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	one := func(user string, second int, links ...string) {
		load(t, db, chunk(rows(1, func(_ int, r *warehouse.Row) {
			r.Event.UserID, r.Event.Timestamp, r.Links = user, noon.Add(time.Duration(second)*time.Second), links
		})))
	}
	for _, user := range []string{"anon:a", "anon:b", "anon:c", "ann", "bob", "mallory"} {
		one(user, 0)
	}
	if got := people(); len(got) != 6 || got["anon:a"] != "anon:a" || got["ann"] != "ann" {
		t.Errorf("without links: %v", got)
	}
	one("ann", 20, "anon:a", "anon:c")
	one("mallory", 30, "anon:a", "anon:ann", "anon:bob") // later, and an alias of known ids
	one("bob", 10, "anon:c")                             // earlier, loaded later
	one("guest", 5, "anon:b")
	one("anon:x", 5, "anon:b")
	got := people()
	for user, want := range map[string]string{"anon:a": "ann", "anon:b": "anon:b", "anon:c": "bob", "ann": "ann", "bob": "bob", "mallory": "mallory", "anon:x": "anon:x"} {
		if got[user] != want {
			t.Errorf("%s is %s, want %s", user, got[user], want)
		}
	}
	if n := number(t, conn, "SELECT count(*) FROM people_events") - number(t, conn, "SELECT count(*) FROM events"); n != 0 {
		t.Errorf("the view has %d rows more than events", n)
	}
	// A hundred anonymous ids are a person, one more is a placeholder that isn't known.
	devices := make([]string, 99)
	for i := range devices {
		devices[i] = fmt.Sprint("anon:device", i)
	}
	one("ann", 40, devices...)
	if got := people()["anon:a"]; got != "ann" {
		t.Errorf("with 100 links: %s", got)
	}
	one("ann", 41, "anon:101")
	if got := people(); got["anon:a"] != "anon:a" || got["anon:c"] != "bob" {
		t.Errorf("with 101 links: %v", got)
	}
	one("bob", 1, "anon:101") // an earlier event
	if got := people()["anon:a"]; got != "ann" || number(t, conn, wrongCounts) != 0 {
		t.Errorf("with 100 links again: %s", got)
	}
}

// TestLinksOfStoredUsers links to the user id as an operator's trigger stores it.
func TestLinksOfStoredUsers(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	conn := d.Conn(t)
	for _, sql := range []string{
		"CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.user_id := upper(NEW.user_id); RETURN NEW; END'",
		"CREATE TRIGGER shout BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION shout()",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	c := chunk(rows(1, func(_ int, r *warehouse.Row) { r.Event.UserID, r.Links = "ann", []string{"anon:a"} }))
	c.Measure = func(event.Event) ([]metric.Contribution, error) { return nil, nil }
	load(t, d.As(t, contract.RoleLoader), c)
	if got := linksOf(t, conn); !strings.HasPrefix(got, "anon:a ANN ") {
		t.Error(got)
	}
}

// TestPeopleAfterAnUpgrade adds the table to a warehouse with events.
func TestPeopleAfterAnUpgrade(t *testing.T) {
	d := schemaAt(t, 9)
	owner, db := d.As(t, contract.RoleOwner), d.As(t, contract.RoleLoader)
	if _, err := owner.EnsurePartitions(t.Context(), noon, noon, nil); err != nil {
		t.Fatal(err)
	}
	_, err := d.Conn(t).Exec(t.Context(), `INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
		SELECT gen_random_uuid(), CASE WHEN i % 2 = 0 THEN 'anon:a' ELSE 'user' || i % 7 END, 'view', $1::timestamptz + i * interval '1 second', '{}', $1, $1
		FROM generate_series(0, 999) i`, noon)
	if err != nil {
		t.Fatal(err)
	}
	if version, err := owner.Migrate(t.Context()); err != nil || version != newest {
		t.Fatal(version, err)
	}
	conn := d.Conn(t)
	if n := number(t, conn, "SELECT count(*) FROM people_events WHERE person_id = user_id"); n != 1000 {
		t.Errorf("%d events", n)
	}
	load(t, db, chunk(rows(1, func(_ int, r *warehouse.Row) { r.Event.UserID, r.Links = "ann", []string{"anon:a"} })))
	if n := number(t, conn, "SELECT count(*) FROM people_events WHERE person_id = 'ann'"); n != 501 {
		t.Errorf("%d events of a person", n)
	}
	for _, role := range []string{contract.RoleSQL, contract.RoleReader} {
		user, err := pgx.Connect(t.Context(), d.URL(role))
		if err != nil {
			t.Fatal(err)
		}
		if n := number(t, user, "SELECT count(*) FROM people_events JOIN identity ON anonymous_id = people_events.user_id"); n != 500 {
			t.Errorf("%s reads %d events", role, n)
		}
		for _, sql := range []string{"INSERT INTO identity VALUES ('anon:b', 'eve', now(), gen_random_uuid())", "UPDATE identity SET user_id = 'eve'", "DELETE FROM identity_user", "LOCK TABLE identity IN ROW EXCLUSIVE MODE"} {
			if _, err := user.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s: %s is possible", role, sql)
			}
		}
		if err := user.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
