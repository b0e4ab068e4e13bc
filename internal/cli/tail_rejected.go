package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/logs"
)

// rejectedAge is the age of the oldest rejected event that is shown.
const rejectedAge = time.Hour

// rejection is a request with rejected events.
type rejection struct {
	Time time.Time `json:"time"`
	// Count is the number of rejected events, 1 for a body that is not JSON.
	Count  int    `json:"count"`
	Reason string `json:"reason"`
	// Field is the field that the first reason is about, bounded in length.
	Field string `json:"field,omitempty"`
	// Caller is an IAM identity, or an address.
	Caller string `json:"caller"`
	// Request is the id of the request at API Gateway.
	Request string `json:"requestId"`
}

// newRejection reads a line of ingest; ok is false for other lines.
func newRejection(l logs.Line) (r rejection, ok bool) {
	if l.Message != contract.LogRejected {
		return r, false
	}
	r.Time = l.Time
	var errs []error
	for _, f := range l.Fields {
		target := map[string]any{"count": &r.Count, "reason": &r.Reason, "field": &r.Field, "caller": &r.Caller, "request": &r.Request}[f.Name]
		if target != nil {
			errs = append(errs, json.Unmarshal(f.Value, target))
		}
	}
	return r, errors.Join(errs...) == nil && r.Count > 0
}

// tailRejected shows the last rejections, and then each new one until ctx ends.
func tailRejected(ctx context.Context, a *App, o tailOptions) (err error) {
	names, since := []string{contract.FuncIngest}, time.Now().Add(-rejectedAge)
	var source logSource
	if o.dataDir != "" {
		source, err = openLocalLog(o.dataDir, contract.LogRejected, since, names)
	} else {
		source, err = openStackLog(ctx, a, `"`+contract.LogRejected+`"`, since, names)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	begin := &lastRejections{most: o.last}
	if err := source.Read(ctx, begin.add); err != nil {
		return err
	}
	for _, r := range begin.all {
		if err := r.show(a); err != nil {
			return err
		}
	}
	if o.noFollow {
		return nil
	}
	return followLog(ctx, a, source, true, func(l logs.Line) error {
		if r, ok := newRejection(l); ok {
			return r.show(a)
		}
		return nil
	})
}

// lastRejections keeps the last rejections.
type lastRejections struct {
	most int
	all  []rejection
}

func (l *lastRejections) add(line logs.Line) error {
	if r, ok := newRejection(line); ok {
		l.all = append(l.all, r)
		l.all = l.all[max(0, len(l.all)-l.most):]
	}
	return nil
}

func (r rejection) show(a *App) error {
	if a.flags.output == "json" {
		return printJSONLine(a, r)
	}
	reason := r.Reason
	if r.Field != "" {
		reason = fmt.Sprintf("%s: %s", r.Field, r.Reason)
	}
	a.printf("%s  %s  %s  %s\n", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), ui.Pad(plural(r.Count, "event", "events"), 10), ui.Line(reason), ui.Line(r.Caller))
	if err := a.out.Err(); err != nil {
		return &writeError{err}
	}
	return nil
}
