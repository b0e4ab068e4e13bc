package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxStaleUsers is the number of users of one hour that a load records. If there are
// more, it records the hour for all users.
const maxStaleUsers = 200

// recordStale records which users got events in spans that are packed or about to be.
// Every load writes rows of its own: a packer deletes exactly the rows whose events it
// has read.
func (l *load) recordStale(ctx context.Context, tx pgx.Tx, inserted []Row) error {
	if l.packedUntil == nil {
		return nil
	}
	byHour := map[time.Time]map[string]bool{}
	for _, r := range inserted {
		if !r.Event.Timestamp.Before(*l.packedUntil) {
			continue
		}
		hour := r.Event.Timestamp.UTC().Truncate(time.Hour)
		if byHour[hour] == nil {
			byHour[hour] = map[string]bool{}
		}
		byHour[hour][r.Event.UserID] = true
	}
	var hours []time.Time
	var users []*string
	for hour, ids := range byHour {
		if len(ids) > maxStaleUsers {
			hours, users = append(hours, hour), append(users, nil)
			continue
		}
		for id := range ids {
			hours, users = append(hours, hour), append(users, &id)
		}
	}
	if len(hours) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO public.sequence_stale (hour, user_id)
		SELECT u.hour, u.user_id FROM unnest($1::timestamptz[], $2::text[]) u(hour, user_id)
		WHERE EXISTS (SELECT FROM public.sequence_span s WHERE s.span_start <= u.hour AND s.span_end > u.hour)`, hours, users)
	if err != nil {
		return fmt.Errorf("record users of packed spans: %w", err)
	}
	return nil
}
