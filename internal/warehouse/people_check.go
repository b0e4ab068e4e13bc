package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// linkPage is the number of links that are checked while loads wait.
const linkPage = 1000

// CheckLinks deletes the links of a page that no event makes: the event is missing, has
// another user, or another anonymous id. Links below the retention floor stay: their events
// are gone. from (inclusive) and to (exclusive) limit the events' arrivals; zero sets no
// limit. Run it as streamctl_owner. Loads are locked out meanwhile. next is the last
// anonymous id of the page, and empty if there is no further page.
func (d *DB) CheckLinks(ctx context.Context, after string, from, to time.Time) (next string, deleted int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			err := tx.QueryRow(ctx, `SELECT coalesce((SELECT anonymous_id FROM public.identity WHERE anonymous_id > $1 ORDER BY anonymous_id OFFSET $2 LIMIT 1), '')`, after, linkPage-1).Scan(&next)
			if err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, `DELETE FROM public.identity d USING (
					SELECT i.anonymous_id, coalesce(e.arrived_at, i.timestamp) AS at, e.user_id = i.user_id
						AND (i.anonymous_id IN ($5 || (e.properties->>'anonymousId'), $5 || (e.properties->>'previousId'))
							OR jsonb_typeof(e.properties->'anonymousId') = 'number' OR jsonb_typeof(e.properties->'previousId') = 'number') AS is_right
					FROM public.identity i JOIN public.events_floor f ON i.timestamp >= f.floor
					LEFT JOIN public.events e ON e.event_id = i.event_id AND e.timestamp = i.timestamp
					WHERE i.anonymous_id > $1 AND ($2 = '' OR i.anonymous_id <= $2)) c
				WHERE d.anonymous_id = c.anonymous_id AND c.is_right IS NOT TRUE
				  AND ($3::timestamptz IS NULL OR c.at >= $3) AND ($4::timestamptz IS NULL OR c.at < $4)`, // a number may be stored in another notation
				after, next, timeOrNull(from), timeOrNull(to), event.AnonymousPrefix)
			deleted = int(tag.RowsAffected())
			return err
		})
	})
	if err != nil {
		return "", 0, fmt.Errorf("check links of anonymous ids: %w", err)
	}
	return next, deleted, nil
}

// CountLinks counts the links of each user again. Run it as streamctl_owner. Loads are
// locked out meanwhile.
func (d *DB) CountLinks(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `MERGE INTO public.identity_user u
				USING (SELECT coalesce(i.user_id, o.user_id) AS user_id, coalesce(i.links, 0) AS links
					FROM (SELECT user_id, count(*) AS links FROM public.identity GROUP BY user_id) i FULL JOIN public.identity_user o USING (user_id)) c ON c.user_id = u.user_id
				WHEN MATCHED AND c.links = 0 THEN DELETE
				WHEN MATCHED AND c.links <> u.links THEN UPDATE SET links = c.links
				WHEN NOT MATCHED THEN INSERT (user_id, links) VALUES (c.user_id, c.links)`)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("count links of users: %w", err)
	}
	return nil
}

func timeOrNull(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// stored returns the rows with links whose events are stored, with the stored user.
func (l *load) stored(ctx context.Context, tx pgx.Tx) ([]Row, error) {
	var linking []Row
	var ids [][16]byte
	var times []time.Time
	for _, r := range l.in.rows {
		if len(r.Links) > 0 {
			linking, ids, times = append(linking, r), append(ids, r.Event.ID), append(times, r.Event.Timestamp)
		}
	}
	if len(linking) == 0 {
		return nil, nil
	}
	answer, err := tx.Query(ctx, `SELECT e.event_id, e.timestamp, e.user_id FROM unnest($1::uuid[], $2::timestamptz[]) u(id, at)
		JOIN public.events e ON e.event_id = u.id AND e.timestamp = u.at`, ids, times)
	if err != nil {
		return nil, fmt.Errorf("find events with links: %w", err)
	}
	users := map[identity]string{}
	var id [16]byte
	var at time.Time
	var user string
	if _, err = pgx.ForEachRow(answer, []any{&id, &at, &user}, func() error {
		users[identity{id, at.UnixMicro()}] = user
		return nil
	}); err != nil {
		return nil, fmt.Errorf("find events with links: %w", err)
	}
	found := linking[:0]
	for _, r := range linking {
		if user, ok := users[r.identity()]; ok {
			r.Event.UserID = user
			found = append(found, r)
		}
	}
	return found, nil
}
