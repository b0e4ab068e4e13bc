package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// recordStep records the step of a job: its progress, which quarantined lines
// are loaded, and that the archive's objects of these hours must be compared
// again.
func (l *load) recordStep(ctx context.Context, tx pgx.Tx) error {
	if l.Job == nil {
		return nil
	}
	if err := l.recordRetried(ctx, tx); err != nil {
		return fmt.Errorf("record retried lines: %w", err)
	}
	if l.Source == "" && l.Inserted+len(l.Retried) > 0 {
		if _, err := tx.Exec(ctx, "DELETE FROM public.reconciled_object WHERE hour = ANY($1)", l.in.hours()); err != nil {
			return fmt.Errorf("delete compared objects: %w", err)
		}
	}
	if err := l.Job.save(ctx, tx, l.Loaded); err != nil {
		return fmt.Errorf("save job %d: %w", l.Job.ID, err)
	}
	return nil
}

// recordRetried marks the lines that are loaded now, and gives those that were
// rejected again their new reason.
func (l *load) recordRetried(ctx context.Context, tx pgx.Tx) error {
	if len(l.Retried) == 0 {
		return nil
	}
	failed := map[Position]string{}
	for _, b := range slices.Concat(l.in.bad, l.rejected, l.dropped) {
		failed[Position{l.Shard, b.Seq, b.I}] = storable(b.Reason)
	}
	var shards, seqs []string
	var is []int
	var reasons []*string
	for _, p := range l.Retried {
		shards, seqs, is = append(shards, p.Shard), append(seqs, p.Seq), append(is, p.I)
		reasons = append(reasons, nil)
		if reason, ok := failed[p]; ok {
			reasons[len(reasons)-1] = &reason
		}
	}
	_, err := tx.Exec(ctx, `UPDATE public.quarantine q
		SET retried_at = CASE WHEN r.reason IS NULL THEN now() END, reason = coalesce(r.reason, q.reason)
		FROM unnest($1::text[], $2::text[], $3::int[], $4::text[]) r(shard, seq, i, reason)
		WHERE q.shard = r.shard AND q.seq = r.seq AND q.i = r.i`, shards, seqs, is, reasons)
	return err
}

// hours returns the hours in which the rows arrived.
func (in *incoming) hours() []time.Time {
	hours := map[time.Time]bool{}
	for _, r := range in.rows {
		hours[r.ArrivedAt.UTC().Truncate(time.Hour)] = true
	}
	return slices.Collect(maps.Keys(hours))
}
