package warehouse

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// personLink is a row of identity: an anonymous id belongs to a user.
type personLink struct {
	anonymous, user string
	at              time.Time
	id              [16]byte
}

// compare orders the links of an anonymous id: the first one counts.
func (l personLink) compare(other personLink) int {
	return cmp.Or(l.at.Compare(other.at), slices.Compare(l.id[:], other.id[:]))
}

// linksOf returns the earliest link of each anonymous id, in the order of the ids, from
// events as they are stored.
func linksOf(rows []Row) []personLink {
	first := map[string]personLink{}
	for _, r := range rows {
		if len(r.Links) == 0 || !event.IsPerson(r.Event.UserID) {
			continue
		}
		for _, anonymous := range r.Links {
			one := personLink{anonymous, r.Event.UserID, r.Event.Timestamp.UTC(), r.Event.ID}
			if before, ok := first[anonymous]; !ok || one.compare(before) < 0 {
				first[anonymous] = one
			}
		}
	}
	links := make([]personLink, 0, len(first))
	for _, l := range first {
		links = append(links, l)
	}
	slices.SortFunc(links, func(a, b personLink) int { return cmp.Compare(a.anonymous, b.anonymous) })
	return links
}

// link adds the links of inserted rows to identity. The result is the same in every
// order of loads. It locks rows of identity in the order of the anonymous ids, and then
// rows of identity_user in the order of the user ids, which prevents deadlocks.
func link(ctx context.Context, tx pgx.Tx, inserted []Row) error {
	links := linksOf(inserted)
	if len(links) == 0 {
		return nil
	}
	if err := linkNew(ctx, tx, links); err != nil {
		return fmt.Errorf("link anonymous ids to users: %w", err)
	}
	return nil
}

func linkNew(ctx context.Context, tx pgx.Tx, links []personLink) error {
	links, err := unknownLinks(ctx, tx, links)
	if err != nil || len(links) == 0 {
		return err
	}
	before, err := lockLinks(ctx, tx, links)
	if err != nil {
		return err
	}
	var replaced []personLink
	counts := map[string]int{}
	for _, l := range links {
		old := before[l.anonymous]
		switch order := l.compare(old); {
		case order == 0: // inserted: an event is loaded once
			counts[l.user]++
		case order < 0:
			replaced = append(replaced, l)
			counts[l.user]++
			counts[old.user]--
		}
	}
	var batch pgx.Batch
	c := linkColumns(replaced)
	batch.Queue(`UPDATE public.identity i SET user_id = u.user_id, timestamp = u.at, event_id = u.id
		FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[]) u(anonymous_id, user_id, at, id) WHERE i.anonymous_id = u.anonymous_id`,
		c.anonymous, c.users, c.times, c.ids)
	queueCounts(&batch, counts)
	return tx.SendBatch(ctx, &batch).Close()
}

// unknownLinks returns the links that may change identity. Most messages repeat a link.
func unknownLinks(ctx context.Context, tx pgx.Tx, links []personLink) ([]personLink, error) {
	c := linkColumns(links)
	answer, err := tx.Query(ctx, `SELECT i.anonymous_id FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) u(anonymous_id, at, id)
		JOIN public.identity i ON i.anonymous_id = u.anonymous_id AND (i.timestamp, i.event_id) <= (u.at, u.id)`, c.anonymous, c.times, c.ids)
	if err != nil {
		return nil, err
	}
	known, err := pgx.CollectRows(answer, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	settled := make(map[string]bool, len(known))
	for _, id := range known {
		settled[id] = true
	}
	return slices.DeleteFunc(links, func(l personLink) bool { return settled[l.anonymous] }), nil
}

// lockLinks inserts the links of new anonymous ids, and returns the rows of all. It locks
// each: an update that changes nothing locks and returns the row.
func lockLinks(ctx context.Context, tx pgx.Tx, links []personLink) (map[string]personLink, error) {
	c := linkColumns(links)
	answer, err := tx.Query(ctx, `INSERT INTO public.identity AS i (anonymous_id, user_id, timestamp, event_id)
		SELECT u.anonymous_id, u.user_id, u.at, u.id
		FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[]) WITH ORDINALITY u(anonymous_id, user_id, at, id, n) ORDER BY n
		ON CONFLICT (anonymous_id) DO UPDATE SET anonymous_id = i.anonymous_id
		RETURNING i.anonymous_id, i.user_id, i.timestamp, i.event_id`, c.anonymous, c.users, c.times, c.ids)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]personLink, len(links))
	var l personLink
	_, err = pgx.ForEachRow(answer, []any{&l.anonymous, &l.user, &l.at, &l.id}, func() error {
		l.at = l.at.UTC()
		rows[l.anonymous] = l
		return nil
	})
	return rows, err
}

// queueCounts adds to the number of links of users. A user without links has no row.
func queueCounts(batch *pgx.Batch, counts map[string]int) {
	users := slices.Sorted(maps.Keys(counts))
	changes := make([]int, len(users))
	for i, user := range users {
		changes[i] = counts[user]
	}
	batch.Queue(`INSERT INTO public.identity_user AS u (user_id, links)
		SELECT c.user_id, c.change FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY c(user_id, change, n) WHERE c.change <> 0 ORDER BY n
		ON CONFLICT (user_id) DO UPDATE SET links = u.links + excluded.links`, users, changes)
	batch.Queue("DELETE FROM public.identity_user WHERE user_id = ANY($1) AND links <= 0", users)
}

type linkArrays struct {
	anonymous, users []string
	times            []time.Time
	ids              [][16]byte
}

// linkColumns returns links as the array parameters of a statement.
func linkColumns(links []personLink) (c linkArrays) {
	for _, l := range links {
		c.anonymous, c.users, c.times, c.ids = append(c.anonymous, l.anonymous), append(c.users, l.user), append(c.times, l.at), append(c.ids, l.id)
	}
	return c
}
