package jobs_test

import (
	"context"
	"testing"

	"github.com/streamctl/streamctl/internal/contract"
)

// peopleDiffer counts the differences between identity and a recount from the events.
const peopleDiffer = `
	WITH recounted AS (
		SELECT DISTINCT ON (properties->>'anonymousId') 'anon:' || (properties->>'anonymousId') AS anonymous_id, user_id, timestamp, event_id
		FROM events WHERE properties ? 'anonymousId' ORDER BY properties->>'anonymousId', timestamp, event_id),
	people AS (SELECT user_id, count(*) AS links FROM recounted GROUP BY 1)
	SELECT ((SELECT count(*) FROM (SELECT * FROM recounted EXCEPT SELECT anonymous_id, user_id, timestamp, event_id FROM identity) a)
		+ (SELECT count(*) FROM (SELECT anonymous_id, user_id, timestamp, event_id FROM identity EXCEPT SELECT * FROM recounted) b)
		+ (SELECT count(*) FROM people FULL JOIN identity_user u USING (user_id) WHERE people.links IS DISTINCT FROM u.links))::text`

// TestReplayRestoresPeople damages the table identity in every way, and restores it from
// the archive: it then equals a recount from the events.
func TestReplayRestoresPeople(t *testing.T) {
	w, before, _ := loaded(t)
	if n := w.text(t, peopleDiffer); n != "0" {
		t.Fatalf("%s differences before the damage", n)
	}
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	for name, damage := range map[string]string{
		"deleted":             "DELETE FROM identity WHERE hashtext(anonymous_id) % 3 = 0",
		"emptied":             "TRUNCATE identity, identity_user",
		"other user":          "UPDATE identity SET user_id = 'mallory' WHERE hashtext(anonymous_id) % 5 = 0",
		"other time":          "UPDATE identity SET timestamp = timestamp - interval '1 second' WHERE hashtext(anonymous_id) % 5 = 0",
		"other event":         "UPDATE identity SET event_id = gen_random_uuid() WHERE hashtext(anonymous_id) % 5 = 0",
		"event of another id": "UPDATE identity i SET (user_id, timestamp, event_id) = (SELECT user_id, timestamp, event_id FROM events WHERE NOT properties ? 'anonymousId' ORDER BY timestamp LIMIT 1) WHERE hashtext(anonymous_id) % 7 = 0",
		"later event":         "UPDATE identity i SET (user_id, timestamp, event_id) = (SELECT user_id, timestamp, event_id FROM events e WHERE 'anon:' || (e.properties->>'anonymousId') = i.anonymous_id ORDER BY timestamp DESC LIMIT 1)",
		"added":               "INSERT INTO identity SELECT 'anon:added' || n, 'user-' || n, (SELECT max(timestamp) FROM events), gen_random_uuid() FROM generate_series(1, 1500) n",
		"counts":              "UPDATE identity_user SET links = links + 100 WHERE hashtext(user_id) % 2 = 0; DELETE FROM identity_user WHERE hashtext(user_id) % 3 = 0; INSERT INTO identity_user VALUES ('nobody', 3)",
	} {
		t.Run(name, func(t *testing.T) {
			w.exec(t, damage)
			if n := w.text(t, peopleDiffer); n == "0" {
				t.Fatal("no damage")
			}
			j := finish(t, h, w.replay())
			if n := w.text(t, peopleDiffer); n != "0" || j.Counts[contract.CountInserted] != 0 {
				t.Errorf("%s differences remain after %+v", n, j)
			}
		})
	}
	if after := w.state(t); after != before {
		t.Errorf("after the replays\n%s\nbefore\n%s", after, before)
	}
	// Selected events can't restore the links of others, which stay.
	w.exec(t, "UPDATE identity SET user_id = 'mallory' WHERE anonymous_id = (SELECT min(anonymous_id) FROM identity)")
	task := w.replay()
	task.EventType = "login"
	finish(t, h, task)
	if n := w.text(t, "SELECT count(*)::text FROM identity WHERE user_id = 'mallory'"); n != "1" {
		t.Errorf("a replay of some events deleted %s links of others", n)
	}
}
