package maintenance

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Quarantine lists the lines that could not be loaded; *warehouse.DB satisfies
// it.
type Quarantine interface {
	Quarantined(ctx context.Context, before int64, limit int, all bool) ([]warehouse.Quarantined, error)
	QuarantinedLine(ctx context.Context, id int64) (line warehouse.Quarantined, ok bool, err error)
	QuarantineObjects(ctx context.Context, after string, ids []int64, limit int) ([]string, error)
	QuarantinedIn(ctx context.Context, object string, ids []int64) ([]warehouse.Quarantined, error)
	CountQuarantined(ctx context.Context, ids []int64) (lines, objects int64, err error)
}

// retryAt is how far a retry has come: all objects up to Object.
type retryAt struct {
	Object string `json:"object,omitempty"`
}

// retryObjects is how many objects are listed at a time.
const retryObjects = 100

// retry loads the lines in quarantine again.
type retry struct {
	s       *slice
	at      retryAt
	objects []string
	match   func(event.Event) bool
}

func newRetry(ctx context.Context, s *slice) (worker, error) {
	r := &retry{s: s, match: matching(s.params)}
	if err := s.cursor(&r.at); err != nil {
		return nil, err
	}
	if s.counts[countTotal] > 0 {
		return r, nil
	}
	lines, _, err := s.Warehouse.Quarantine.CountQuarantined(ctx, s.params.IDs)
	if err != nil {
		return nil, err
	}
	return r, s.save(ctx, r.at, func(c map[string]int64) { c[countTotal] = lines })
}

func (r *retry) next(ctx context.Context) (done bool, err error) {
	if len(r.objects) == 0 {
		r.objects, err = r.s.Warehouse.Quarantine.QuarantineObjects(ctx, r.at.Object, r.s.params.IDs, retryObjects)
		if err != nil || len(r.objects) == 0 {
			return err == nil, err
		}
	}
	at := retryAt{r.objects[0]}
	waiting, lines, err := r.read(ctx, at.Object)
	if err != nil {
		return false, err
	}
	n := int64(len(waiting))
	if len(lines) == 0 { // none selected, or the object is gone
		err = r.s.save(ctx, at, func(c map[string]int64) { c[countDone] += n })
	} else {
		_, err = r.s.load(ctx, r.chunk(at.Object, lines), at, func(_ warehouse.Loaded, c map[string]int64) { c[countDone] += n })
	}
	if err != nil {
		return false, err
	}
	r.at, r.objects = at, r.objects[1:]
	return false, nil
}

// chunk returns the chunk of an object's lines. All lines have one shard.
func (r *retry) chunk(object string, lines []archive.Line) *chunk.Chunk {
	c := chunk.OfLines(lines)
	c.Formats = r.s.env.StreamFormats
	c.Match = nil // selected before: an event that can't be decoded stays in quarantine
	if bucket, _, other := strings.Cut(c.Shard, ":"); other {
		c.Source = bucket
	}
	for _, l := range lines {
		c.Retried = append(c.Retried, warehouse.Position{Shard: l.Shard, Seq: l.Sequence, I: l.I})
	}
	// A line that is rejected again stays in its object.
	c.Keep = func(context.Context, []warehouse.Rejected) (string, error) { return object, nil }
	return c
}

// read returns the rows of an object that wait, and the selected lines.
func (r *retry) read(ctx context.Context, object string) (waiting []warehouse.Quarantined, lines []archive.Line, err error) {
	waiting, err = r.s.Warehouse.Quarantine.QuarantinedIn(ctx, object, r.s.params.IDs)
	if err != nil {
		return nil, nil, err
	}
	all, err := r.s.Kept.QuarantinedLines(ctx, object)
	if archive.IsMissing(err) {
		r.s.Log.ErrorContext(ctx, "quarantine object is missing", "object", object, "lines", len(waiting))
		return waiting, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	wanted := make(map[warehouse.Position]bool, len(waiting))
	for _, q := range waiting {
		wanted[q.Position] = true
	}
	for _, l := range all {
		if wanted[warehouse.Position{Shard: l.Shard, Seq: l.Sequence, I: l.I}] && r.selects(l) {
			lines = append(lines, l)
		}
	}
	return waiting, lines, nil
}

// selects reports whether the parameters select a line.
func (r *retry) selects(l archive.Line) bool {
	p := r.s.params
	if !p.From.IsZero() && l.Arrived.Before(p.From) || !p.To.IsZero() && !l.Arrived.Before(p.To) {
		return false
	}
	if r.match == nil {
		return true
	}
	e, err := chunk.DecodeLine(l, r.s.env.StreamFormats)
	return err == nil && r.match(e.Event)
}

// listQuarantine lists lines, newest first.
func (h *Handler) listQuarantine(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	before := int64(0)
	if task.After != "" {
		if before, err = strconv.ParseInt(task.After, 10, 64); err != nil {
			return r, fmt.Errorf("list quarantine: %w", err)
		}
	}
	limit := limitOf(task)
	lines, err := h.Warehouse.Quarantine.Quarantined(ctx, before, limit, task.All)
	for _, l := range lines {
		r.Lines = append(r.Lines, lineOf(l))
	}
	if len(lines) == limit {
		r.Next = strconv.FormatInt(lines[limit-1].ID, 10)
	}
	return r, err
}

func lineOf(q warehouse.Quarantined) contract.QuarantinedLine {
	return contract.QuarantinedLine{ID: q.ID, Shard: q.Shard, Sequence: q.Seq, Index: q.I, Reason: q.Reason, Object: q.Object,
		QuarantinedAt: q.QuarantinedAt.UTC(), RetriedAt: q.RetriedAt}
}

// maxShown is the maximum size of shown text: a response has 6 MB, and JSON may
// escape each byte with six.
const maxShown = 512 << 10

// showQuarantine returns lines with their texts.
func (h *Handler) showQuarantine(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	size := 0
	for _, id := range task.IDs {
		q, ok, err := h.Warehouse.Quarantine.QuarantinedLine(ctx, id)
		if err != nil {
			return r, err
		}
		if !ok {
			r.Problem = &contract.Problem{Kind: contract.ProblemMissing, Message: fmt.Sprintf("quarantine has no line %d", id), Hint: "`streamctl quarantine list` lists the lines"}
			return r, nil
		}
		line := lineOf(q)
		all, err := h.Kept.QuarantinedLines(ctx, q.Object)
		if err != nil && !archive.IsMissing(err) {
			return r, err
		}
		for _, l := range all {
			if l.Shard == q.Shard && l.Sequence == q.Seq && l.I == q.I {
				line.ArrivedAt, line.Text = l.Arrived, shown(l.Bytes, maxShown-size)
			}
		}
		size += len(line.Text)
		r.Lines = append(r.Lines, line)
	}
	return r, nil
}

// shown returns a line as text, in base64 if it is not UTF-8, and shortened to
// a size.
func shown(line []byte, size int) string {
	text := string(line)
	if !utf8.Valid(line) {
		text = "base64:" + base64.StdEncoding.EncodeToString(line)
	}
	if len(text) <= max(size, 0) {
		return text
	}
	return strings.ToValidUTF8(text[:max(size, 0)], "") + "…"
}
