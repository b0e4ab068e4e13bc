package maintenance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Jobs records the jobs; *warehouse.DB satisfies it.
type Jobs interface {
	StartJob(ctx context.Context, kind, token string, parameters json.RawMessage, counts map[string]int64) (warehouse.Job, error)
	LeaseJob(ctx context.Context, kind string, id int64, lease string) (warehouse.Job, error)
	SaveJob(context.Context, warehouse.JobStep) error
	ReleaseJob(ctx context.Context, id int64, lease, state, message string) (warehouse.Job, error)
	Jobs(ctx context.Context, limit int) ([]warehouse.Job, error)
	LiveLag(context.Context) (time.Duration, error)
}

// countDone and countTotal are the counts behind contract.Job.Done and Total.
const (
	countDone  = "done"
	countTotal = "total"
)

// worker does a job step by step, from the cursor of its slice.
type worker interface {
	// next does the next step and records it. done means that nothing is left
	// to do.
	next(context.Context) (done bool, err error)
}

// slice is the work of one invocation on a job.
type slice struct {
	*Handler
	params contract.JobParameters
	job    warehouse.Job
	lease  string
	counts map[string]int64
	saved  time.Time
	pace   pace
}

// runJob starts or continues a job and works on it for one slice.
func (h *Handler) runJob(ctx context.Context, kind string, task contract.MaintenanceTask, open func(*slice) (worker, error)) (r contract.MaintenanceResult, err error) {
	id := task.Job
	if task.Job == 0 && !task.Resume {
		parameters, err := json.Marshal(task.JobParameters)
		if err != nil {
			return r, fmt.Errorf("start %s: %w", kind, err)
		}
		j, err := h.Warehouse.Jobs.StartJob(ctx, kind, task.Token, parameters, map[string]int64{countTotal: task.Total})
		if err != nil {
			return jobProblem(j, err)
		}
		id = j.ID
	}
	s := &slice{Handler: h, lease: rand.Text(), saved: h.Clock.Now()}
	if s.job, err = h.Warehouse.Jobs.LeaseJob(ctx, kind, id, s.lease); err != nil {
		return jobProblem(s.job, err)
	}
	s.counts, s.pace = s.job.Counts, newPace(h, task)
	state, err := s.work(ctx, open)
	message := ""
	if err != nil {
		message = err.Error()
	}
	j, releaseErr := h.Warehouse.Jobs.ReleaseJob(context.WithoutCancel(ctx), s.job.ID, s.lease, state, message)
	if err = errors.Join(err, releaseErr); err != nil {
		return deniedProblem(s, fmt.Errorf("%s, job %d: %w", kind, s.job.ID, err))
	}
	h.Log.InfoContext(ctx, "slice done", "job", j.ID, "kind", kind, "state", j.State, "counts", j.Counts)
	done := jobOf(j, h.Clock.Now())
	return contract.MaintenanceResult{Job: &done}, nil
}

// work does steps until the job is done or the slice's time is over.
func (s *slice) work(ctx context.Context, open func(*slice) (worker, error)) (state string, err error) {
	if err := json.Unmarshal(s.job.Parameters, &s.params); err != nil {
		return warehouse.JobFailed, fmt.Errorf("read parameters: %w", err)
	}
	w, err := open(s)
	if err != nil {
		return warehouse.JobRunning, err
	}
	if c, ok := w.(interface{ close() }); ok {
		defer c.close()
	}
	for s.pace.hasTime() {
		if err := s.pace.wait(ctx); err != nil {
			return warehouse.JobRunning, err
		}
		done, err := w.next(ctx)
		if err != nil {
			return warehouse.JobRunning, err
		}
		if done {
			return warehouse.JobDone, nil
		}
	}
	return warehouse.JobRunning, nil
}

// cursor decodes the job's cursor.
func (s *slice) cursor(into any) error {
	if err := json.Unmarshal(s.job.Cursor, into); err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	return nil
}

// step returns a step that ends at a cursor, and a function to call after the
// step is recorded. add changes the counts.
func (s *slice) step(cursor any, add func(warehouse.Loaded, map[string]int64)) (step *warehouse.JobStep, recorded func(), err error) {
	text, err := json.Marshal(cursor)
	if err != nil {
		return nil, nil, fmt.Errorf("save cursor: %w", err)
	}
	var counts map[string]int64
	step = &warehouse.JobStep{ID: s.job.ID, Lease: s.lease, Cursor: text, Counts: func(l warehouse.Loaded) map[string]int64 {
		counts = maps.Clone(s.counts)
		if counts == nil {
			counts = map[string]int64{}
		}
		add(l, counts)
		return counts
	}}
	return step, func() { s.counts, s.saved = counts, s.Clock.Now() }, nil
}

// save records a step that loads nothing.
func (s *slice) save(ctx context.Context, cursor any, add func(map[string]int64)) error {
	step, recorded, err := s.step(cursor, func(_ warehouse.Loaded, c map[string]int64) { add(c) })
	if err == nil {
		err = s.Warehouse.Jobs.SaveJob(ctx, *step)
	}
	if err == nil {
		recorded()
	}
	return err
}

// jobProblem returns the result for a job that can't be started or continued.
func jobProblem(j warehouse.Job, err error) (r contract.MaintenanceResult, _ error) {
	switch {
	case errors.Is(err, warehouse.ErrJobBusy):
		r.Problem = &contract.Problem{Kind: contract.ProblemBusy, Message: fmt.Sprintf("%s: job %d is running", j.Kind, j.ID)}
		r.Job = new(jobOf(j, time.Time{}))
	case errors.Is(err, warehouse.ErrNoJob):
		r.Problem = &contract.Problem{Kind: contract.ProblemMissing, Message: "there is no such unfinished job", Hint: "`streamctl jobs` lists the jobs"}
	default:
		return r, err
	}
	return r, nil
}

// deniedProblem turns a denied access to an archive into a problem that
// explains which permissions are missing.
func deniedProblem(s *slice, err error) (contract.MaintenanceResult, error) {
	if !archive.IsDenied(err) {
		return contract.MaintenanceResult{}, err
	}
	return contract.MaintenanceResult{Problem: denied(s.params.Source, err)}, nil
}

// listJobs lists the newest jobs.
func (h *Handler) listJobs(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	jobs, err := h.Warehouse.Jobs.Jobs(ctx, limitOf(task))
	for _, j := range jobs {
		r.Jobs = append(r.Jobs, jobOf(j, h.Clock.Now()))
	}
	return r, err
}

// limitOf returns the length of a list, at most 1,000: a response has 6 MB.
func limitOf(task contract.MaintenanceTask) int {
	if task.Limit <= 0 {
		return 100
	}
	return min(task.Limit, 1000)
}

// quiet is the time without progress after which a job counts as interrupted.
const quiet = time.Minute

func jobOf(j warehouse.Job, now time.Time) contract.Job {
	c := contract.Job{
		ID: j.ID, Kind: j.Kind, State: j.State, Error: j.Error, Counts: maps.Clone(j.Counts), Done: j.Counts[countDone], Total: j.Counts[countTotal],
		StartedAt: j.StartedAt.UTC(), UpdatedAt: j.UpdatedAt.UTC(), FinishedAt: j.FinishedAt,
	}
	delete(c.Counts, countDone)
	delete(c.Counts, countTotal)
	if j.State == warehouse.JobRunning && !j.Leased && now.Sub(j.UpdatedAt) > quiet {
		c.State = contract.StateInterrupted
	}
	// Parameters that a newer version wrote are not shown.
	_ = json.Unmarshal(j.Parameters, &c.Parameters)
	return c
}
