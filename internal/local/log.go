package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/local/logfile"
)

// keepLog writes the log into the data folder too.
func (p *Platform) keepLog() error {
	file, err := logfile.Open(p.o.Dir)
	if err != nil {
		return fmt.Errorf("open the log of the functions: %w", err)
	}
	p.logged = file
	kept := slog.NewJSONHandler(file, &slog.HandlerOptions{Level: slog.LevelInfo})
	p.o.Log = slog.New(invocation.WithRequestID(both{p.o.Log.Handler(), kept, &atomic.Bool{}}))
	return nil
}

// both logs to two handlers. A failure of the second one, such as a full disk, is logged
// once to the first one: the platform continues without its log.
type both struct {
	first, second slog.Handler
	failed        *atomic.Bool
}

// Enabled implements slog.Handler.
func (h both) Enabled(ctx context.Context, level slog.Level) bool {
	return h.first.Enabled(ctx, level) || h.second.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h both) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	if h.second.Enabled(ctx, r.Level) {
		err := h.second.Handle(ctx, r.Clone())
		if errs = append(errs, err); err != nil && h.failed.CompareAndSwap(false, true) {
			warning := slog.NewRecord(r.Time, slog.LevelWarn, "could not write the log in the data folder", 0)
			warning.AddAttrs(slog.Any("err", err))
			errs = append(errs, h.first.Handle(ctx, warning))
		}
	}
	if h.first.Enabled(ctx, r.Level) {
		errs = append(errs, h.first.Handle(ctx, r))
	}
	return errors.Join(errs...)
}

// WithAttrs implements slog.Handler.
func (h both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{h.first.WithAttrs(attrs), h.second.WithAttrs(attrs), h.failed}
}

// WithGroup implements slog.Handler.
func (h both) WithGroup(name string) slog.Handler {
	return both{h.first.WithGroup(name), h.second.WithGroup(name), h.failed}
}

// OpenLog returns a reader of the log in a data folder, also of a platform that runs.
func OpenLog(dir string) (*logfile.Reader, error) {
	found, err := recognize(dir)
	if err != nil {
		return nil, err
	}
	switch found {
	case foreign:
		return nil, foreignFolder(dir)
	case empty:
		return nil, &FolderError{Dir: dir, What: "it has no data of `streamctl local`", Fix: "set --data-dir to the data folder that `streamctl local -o json` prints"}
	}
	return logfile.NewReader(dir), nil
}
