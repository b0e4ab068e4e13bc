package chaos

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/sequence"
	plain "github.com/streamctl/streamctl/internal/testkit/recount"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// keepPacking packs the events of users like maintenance; servers may be unavailable.
func (w *World) keepPacking(ctx context.Context) {
	owner := w.owner()
	defer func() { _ = owner.Close(context.WithoutCancel(ctx)) }()
	sequences := &warehouse.Sequences{DB: owner}
	for pause.For(ctx, 300*time.Millisecond) == nil {
		_, _ = sequences.Pack(ctx, w.Clock.Now(), func() bool { return ctx.Err() == nil }) // repeated the next time
		_ = sequences.DropBefore(ctx)
	}
}

// questions are one of each kind, about all events of the run.
func (w *World) questions() (all []insight.Question, err error) {
	now := w.Clock.Now()
	from, to := now.Add(-9*day).Format(time.RFC3339), now.Add(day).Format(time.RFC3339)
	for kind, p := range map[string]map[string]string{
		api.QuestionFunnel:    {"steps": "*, *, *", "window": "2d"},
		api.QuestionRetention: {"start": "*", "return": "*", "unit": "day", "zone": "Europe/Berlin"},
		api.QuestionSessions:  {},
		api.QuestionBreakdown: {"event": "*", "by": "eventType"},
		api.QuestionPaths:     {"event": "*", "depth": "2"},
		api.QuestionLive:      {},
	} {
		if kind != api.QuestionLive {
			p["from"], p["to"] = from, to
		}
		q, err := insight.Read(kind, p, now)
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// checkInsights compares the answer to a question of each kind with a recount of events.
func (w *World) checkInsights(ctx context.Context, conn *pgx.Conn, r *Report, _ []warehouse.MinuteRow) (err error) {
	rows, err := conn.Query(ctx, "SELECT user_id, event_type, timestamp, event_id, properties::text FROM events, events_floor WHERE timestamp >= floor")
	if err != nil {
		return err
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e plain.Event, err error) {
		var id [16]byte
		err = row.Scan(&e.User, &e.Type, &e.At, &id, &e.Properties)
		e.Order = hex.EncodeToString(id[:])
		return e, err
	})
	if err != nil {
		return err
	}
	questions, err := w.questions()
	if err != nil {
		return err
	}
	reader := warehouse.NewURL(w.Servers.URL(contract.RoleReader, w.Database))
	defer func() { err = errors.Join(err, reader.Close(context.WithoutCancel(ctx))) }()
	now := w.Clock.Now()
	for _, q := range questions {
		run := insight.NewRun(q)
		n := run.Need()
		info, err := (&warehouse.Sequences{DB: reader}).Read(ctx, warehouse.SequenceRequest{From: n.From, To: n.To, Types: n.Types, Paths: n.Paths, Budget: time.Minute, Memory: 256 << 20}, run)
		if err == nil && info.Slices != sequence.Slices {
			err = fmt.Errorf("%d slices", info.Slices)
		}
		if err != nil {
			return fmt.Errorf("ask for %s: %w", q.Kind, err)
		}
		got := run.Finish()
		if got.Response.Retention != nil {
			q.CloseCohorts(got.Response.Retention, now)
		}
		if same, text := plain.Same(got, plain.Answer(q, events, now)); !same {
			r.complain(Insights, "%s: %s", q.Kind, text)
		}
	}
	var packed int64
	if err := conn.QueryRow(ctx, "SELECT coalesce(sum(events), 0)::bigint FROM sequence_span").Scan(&packed); err != nil {
		return err
	}
	r.count(Insights, "%d answers about users, %d events in blocks", len(questions), packed)
	return nil
}
