package warehouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// States of a job.
const (
	JobRunning = "running"
	JobDone    = "done"
	JobFailed  = "failed"
)

// JobLease is how long an invocation holds a job after each step that it
// records. If the invocation dies, another one continues the job afterwards.
const JobLease = 20 * time.Second

// jobAbandoned is the time without progress after which a job no longer
// prevents another job of its kind.
const jobAbandoned = 2 * time.Minute

// jobDays is how many days a finished job is listed.
const jobDays = 90

// Job is a task of an operator that works in slices.
type Job struct {
	ID   int64
	Kind string
	// Parameters and Cursor are JSON of the task's own.
	Parameters, Cursor json.RawMessage
	Counts             map[string]int64
	State              string
	// Error is the reason of a failed job, or the last error of a running one.
	Error                string
	StartedAt, UpdatedAt time.Time
	FinishedAt           *time.Time
	// Leased reports whether an invocation is working on the job.
	Leased bool
}

// JobStep is a completed step of a job.
type JobStep struct {
	// ID and Lease identify the job and the invocation that works on it.
	ID    int64
	Lease string
	// Cursor is the position after the step.
	Cursor json.RawMessage
	// Counts returns the job's new counts; loaded is zero for a step that loads
	// nothing.
	Counts func(loaded Loaded) map[string]int64
}

var (
	// ErrJobBusy means that another job of the kind, or another invocation of
	// the same job, is working.
	ErrJobBusy = errors.New("another job of this kind is running")
	// ErrNoJob means that there is no such unfinished job.
	ErrNoJob = errors.New("no such unfinished job")
	// ErrLeaseLost means that another invocation continues the job.
	ErrLeaseLost = errors.New("another invocation continues the job")
)

const jobColumns = `id, kind, parameters, cursor, counts, state, coalesce(error, ''), started_at, updated_at, finished_at,
	coalesce(leased_until > now() AND lease IS NOT NULL, false)`

func scanJob(row pgx.CollectableRow) (j Job, err error) {
	err = row.Scan(&j.ID, &j.Kind, &j.Parameters, &j.Cursor, &j.Counts, &j.State, &j.Error, &j.StartedAt, &j.UpdatedAt, &j.FinishedAt, &j.Leased)
	return j, err
}

// StartJob records a new job. A repeated call with the same token returns the
// same job. The error is ErrJobBusy, with the other job, if one of the kind
// made progress in the last minutes. Run it as streamctl_owner, like all
// methods for jobs.
func (d *DB) StartJob(ctx context.Context, kind, token string, parameters json.RawMessage, counts map[string]int64) (j Job, err error) {
	err = d.jobs(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE public.job IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		var same bool
		err := tx.QueryRow(ctx, `SELECT id, coalesce(token = $4, false) FROM public.job
			WHERE kind = $1 AND (token = $4 OR state = $2 AND updated_at > now() - $3::interval)
			ORDER BY token = $4 DESC NULLS LAST, id DESC LIMIT 1`, kind, JobRunning, jobAbandoned, token).Scan(&j.ID, &same)
		if err == nil {
			rows, err := tx.Query(ctx, "SELECT "+jobColumns+" FROM public.job WHERE id = $1", j.ID)
			if err != nil {
				return err
			}
			if j, err = pgx.CollectOneRow(rows, scanJob); err != nil || same {
				return err
			}
			return ErrJobBusy
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		rows, err := tx.Query(ctx, "INSERT INTO public.job (kind, token, parameters, counts) VALUES ($1, $2, $3, $4) RETURNING "+jobColumns, kind, token, parameters, counts)
		if err != nil {
			return err
		}
		j, err = pgx.CollectOneRow(rows, scanJob)
		return err
	})
	if err != nil {
		return j, fmt.Errorf("start %s: %w", kind, err)
	}
	return j, nil
}

// LeaseJob makes an invocation, identified by lease, the one that works on a
// job; id 0 selects the newest unfinished job of the kind. The error is
// ErrJobBusy while another invocation works on a job of the kind, and ErrNoJob
// if there is no such unfinished job.
func (d *DB) LeaseJob(ctx context.Context, kind string, id int64, lease string) (j Job, err error) {
	err = d.jobs(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE public.job SET lease = NULL, leased_until = NULL WHERE kind = $1 AND lease IS NOT NULL AND leased_until < now()", kind)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `UPDATE public.job SET lease = $3, leased_until = now() + $4::interval, updated_at = now()
			WHERE id = (SELECT id FROM public.job WHERE kind = $1 AND state = $5 AND ($2 = 0 OR id = $2) ORDER BY id DESC LIMIT 1) AND lease IS NULL
			RETURNING `+jobColumns, kind, id, lease, JobLease, JobRunning)
		if err != nil {
			return err
		}
		j, err = pgx.CollectOneRow(rows, scanJob)
		switch {
		case sqlState(err) == uniqueViolation:
			return ErrJobBusy
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		rows, err = tx.Query(ctx, "SELECT "+jobColumns+" FROM public.job WHERE kind = $1 AND ($2 = 0 AND state = $3 OR id = $2) ORDER BY id DESC LIMIT 1", kind, id, JobRunning)
		if err != nil {
			return err
		}
		if j, err = pgx.CollectOneRow(rows, scanJob); errors.Is(err, pgx.ErrNoRows) || err == nil && j.State != JobRunning {
			return ErrNoJob
		}
		return errors.Join(err, ErrJobBusy)
	})
	if err != nil {
		return j, fmt.Errorf("continue %s: %w", kind, err)
	}
	return j, nil
}

// SaveJob records a step that loads nothing.
func (d *DB) SaveJob(ctx context.Context, s JobStep) error {
	err := d.jobs(ctx, func(tx pgx.Tx) error { return s.save(ctx, tx, Loaded{}) })
	if err != nil {
		return fmt.Errorf("save job %d: %w", s.ID, err)
	}
	return nil
}

// execer is a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func (s *JobStep) save(ctx context.Context, tx execer, loaded Loaded) error {
	tag, err := tx.Exec(ctx, `UPDATE public.job SET cursor = $3, counts = $4, updated_at = now(), leased_until = now() + $5::interval
		WHERE id = $1 AND lease = $2`, s.ID, s.Lease, s.Cursor, s.Counts(loaded), JobLease)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrLeaseLost
	}
	return err
}

// ReleaseJob ends the work of an invocation on a job. state is JobRunning if
// the job is to be continued. message is the last error, if any.
func (d *DB) ReleaseJob(ctx context.Context, id int64, lease, state, message string) (j Job, err error) {
	err = d.jobs(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `UPDATE public.job SET lease = NULL, leased_until = NULL, updated_at = now(), state = $3, error = nullif($4, ''),
			finished_at = CASE WHEN $3 <> 'running' THEN now() END
			WHERE id = $1 AND lease = $2 RETURNING `+jobColumns, id, lease, state, storable(message))
		if err != nil {
			return err
		}
		j, err = pgx.CollectOneRow(rows, scanJob)
		if errors.Is(err, pgx.ErrNoRows) {
			err = ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return j, fmt.Errorf("release job %d: %w", id, err)
	}
	return j, nil
}

// Jobs lists the newest jobs.
func (d *DB) Jobs(ctx context.Context, limit int) (jobs []Job, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT "+jobColumns+" FROM public.job ORDER BY id DESC LIMIT $1", limit)
		if err != nil {
			return err
		}
		jobs, err = pgx.CollectRows(rows, scanJob)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// DeleteOldJobs deletes jobs without progress for jobDays.
func (d *DB) DeleteOldJobs(ctx context.Context) error {
	err := d.jobs(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM public.job WHERE updated_at < now() - make_interval(days => $1)", jobDays)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete old jobs: %w", err)
	}
	return nil
}

func (d *DB) jobs(ctx context.Context, work func(pgx.Tx) error) error {
	return d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error { return asTables(ctx, conn, work) })
}

// LiveLag returns the longest time from arrival to loading of the chunks that
// were loaded from the stream in the last ten seconds; 0 without such chunks.
func (d *DB) LiveLag(ctx context.Context) (lag time.Duration, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(loaded_at - arrived), interval '0') FROM public.load_batch
			WHERE job IS NULL AND arrived IS NOT NULL AND loaded_at > now() - interval '10 seconds'`).Scan(&lag)
	})
	if err != nil {
		return 0, fmt.Errorf("read lag of the stream: %w", err)
	}
	return lag, nil
}
