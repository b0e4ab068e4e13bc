package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/tail"
)

// rejectedAge is the age of the oldest rejected event that is shown.
const rejectedAge = time.Hour

// rejectedFilter is the filter pattern of the lines about rejected events.
const rejectedFilter = `"` + contract.LogRejected + `"`

// tailRejected shows the last rejections, and then each new one until ctx ends.
func tailRejected(ctx context.Context, a *App, o tailOptions) (err error) {
	names, since := []string{contract.FuncIngest}, time.Now().Add(-rejectedAge)
	var source logSource
	if o.dataDir != "" {
		source, err = openLocalLog(o.dataDir, contract.LogRejected, since, names)
	} else {
		source, err = openStackLog(ctx, a, rejectedFilter, since, names)
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
		if err := showRejection(a, r); err != nil {
			return err
		}
	}
	if o.noFollow {
		return nil
	}
	return followLog(ctx, a, source, true, func(l logs.Line) error {
		if r, ok := tail.NewRejection(l); ok {
			return showRejection(a, r)
		}
		return nil
	})
}

// lastRejections keeps the last rejections.
type lastRejections struct {
	most int
	all  []tail.Rejection
}

func (l *lastRejections) add(line logs.Line) error {
	if r, ok := tail.NewRejection(line); ok {
		l.all = append(l.all, r)
		l.all = l.all[max(0, len(l.all)-l.most):]
	}
	return nil
}

func showRejection(a *App, r tail.Rejection) error {
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
