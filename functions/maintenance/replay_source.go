package maintenance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
)

// GivenUp reads the records that Lambda gave up, and the lines in quarantine;
// archive.Reader satisfies it.
type GivenUp interface {
	GivenUp(ctx context.Context, after string) ([]archive.GivenUp, error)
	GivenUpRecords(ctx context.Context, key string) ([]archive.ArchivedRecord, error)
	QuarantinedLines(ctx context.Context, key string) ([]archive.Line, error)
}

// objects lists what a replay reads, in portions: an hour of an archive, or all
// objects of records that were given up.
type objects interface {
	// begin returns the portion at or after an hour; zero means the first one.
	// ok is false after the last one.
	begin(hour time.Time) (at time.Time, ok bool)
	after(hour time.Time) time.Time
	list(ctx context.Context, hour time.Time) ([]object, error)
}

// object is an archive object.
type object struct {
	key     string
	records int64 // 0 if unknown
	size    int64
	frozen  bool
	read    func(context.Context) ([]archive.ArchivedRecord, error)
}

// objectsOf returns the objects of a source.
func (h *Handler) objectsOf(p contract.JobParameters) (objects, error) {
	bucket, other := strings.CutPrefix(p.Source, contract.SourceBucket)
	switch {
	case p.Source == contract.SourceGivenUp:
		return givenUp{h.Kept}, nil
	case p.Source == contract.SourceArchive:
		return hours{h.Archive, p.From, p.To}, nil
	case other && bucket != "":
		a, err := h.Other(bucket)
		return hours{a, p.From, p.To}, err
	}
	return nil, fmt.Errorf("replay source %q: unknown", p.Source)
}

// hours are the objects of an archive that arrived in a time range.
type hours struct {
	archive  Archive
	from, to time.Time
}

func (a hours) begin(hour time.Time) (time.Time, bool) {
	if hour.IsZero() {
		hour = a.from.UTC().Truncate(time.Hour)
	}
	return hour, hour.Before(a.to)
}

func (hours) after(hour time.Time) time.Time { return hour.Add(time.Hour) }

func (a hours) list(ctx context.Context, hour time.Time) ([]object, error) {
	stored, err := a.archive.Objects(ctx, hour)
	list := make([]object, len(stored))
	for i, o := range stored {
		list[i] = object{key: o.Key, records: int64(o.Records), size: o.Size, frozen: o.Frozen,
			read: func(ctx context.Context) ([]archive.ArchivedRecord, error) { return a.archive.Records(ctx, o) }}
	}
	return list, err
}

// givenUp are the objects with records that Lambda gave up.
type givenUp struct{ kept GivenUp }

// onePortion is the hour of the only portion, and lastPortion follows it.
var onePortion, lastPortion = time.Unix(0, 0).UTC(), time.Unix(1, 0).UTC()

func (givenUp) begin(hour time.Time) (time.Time, bool) {
	return onePortion, !hour.Equal(lastPortion)
}

func (givenUp) after(time.Time) time.Time { return lastPortion }

func (g givenUp) list(ctx context.Context, _ time.Time) ([]object, error) {
	all, err := g.kept.GivenUp(ctx, "")
	list := make([]object, len(all))
	for i, o := range all {
		list[i] = object{key: o.Key, size: o.Size, frozen: o.Frozen,
			read: func(ctx context.Context) ([]archive.ArchivedRecord, error) { return g.kept.GivenUpRecords(ctx, o.Key) }}
	}
	return list, err
}

// planTime is how long one invocation counts objects.
const planTime = 20 * time.Second

// plan counts the objects that a replay reads.
func (h *Handler) plan(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	p := task.JobParameters
	r.Plan = &contract.ReplayPlan{}
	if p.Source == contract.SourceQuarantine {
		r.Plan.Records, r.Plan.Objects, err = h.Warehouse.Quarantine.CountQuarantined(ctx, p.IDs)
		return r, err
	}
	from, err := h.objectsOf(p)
	if err != nil {
		return r, err
	}
	var hour time.Time
	if task.After != "" {
		if hour, err = time.Parse(time.RFC3339, task.After); err != nil {
			return r, fmt.Errorf("plan replay: %w", err)
		}
	}
	began := h.Clock.Now()
	for {
		at, ok := from.begin(hour)
		if !ok {
			return r, nil
		}
		if h.Clock.Now().Sub(began) > planTime {
			r.Next = at.Format(time.RFC3339)
			return r, nil
		}
		list, err := from.list(ctx, at)
		if err != nil {
			if archive.IsDenied(err) {
				return contract.MaintenanceResult{Problem: denied(p.Source, err)}, nil
			}
			return r, err
		}
		for _, o := range list {
			r.Plan.Objects++
			r.Plan.Records += o.records
			r.Plan.Bytes += o.size
			if o.frozen {
				r.Plan.Frozen++
			}
		}
		hour = from.after(at)
	}
}

// denied explains which permissions are missing.
func denied(source string, err error) *contract.Problem {
	p := &contract.Problem{Kind: contract.ProblemDenied, Message: err.Error(), Hint: "deploy again: the maintenance role must be able to read and decrypt the archive"}
	if bucket, ok := strings.CutPrefix(source, contract.SourceBucket); ok {
		p.Hint = "the maintenance function needs s3:ListBucket on " + bucket + ", s3:GetObject on its objects and kms:Decrypt on its key: list the bucket in ReplayBuckets in variables.yaml and deploy; " +
			"a bucket of another account also needs a bucket policy and a key policy that allow the role (docs/operations.md)"
	}
	return p
}
