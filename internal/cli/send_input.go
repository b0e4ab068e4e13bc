package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/send"
	"github.com/streamctl/streamctl/internal/traffic"
)

// input is a source of events.
type input struct {
	source send.Source
	// name begins the names of the files with rejected and unsent events.
	name string
	// file is the path of the input's file; empty for standard input, flags and
	// generated events.
	file string
	// label is the input's name before a line number.
	label string
	// total is the number of events; 0 if unknown.
	total int
	// generated input ends when --count or --for is reached, or on request.
	generated bool
	close     func() error
}

func nothingToClose() error { return nil }

func openEvents(ctx context.Context, a *App, o sendOptions, args []string) (input, error) {
	in := input{name: "stdin", label: "standard input", close: nothingToClose}
	switch {
	case o.user != "":
		text := fmt.Sprintf(`{"userId":%s,"eventType":%s,"properties":%s}`, quoted(o.user), quoted(o.kind), o.properties)
		source, err := send.Values(strings.NewReader(text))
		if err != nil {
			return in, &usageError{err: fmt.Errorf("--properties %s: not a JSON object", o.properties)}
		}
		in.source, in.total, in.name, in.label = source, 1, "event", ""
	case len(args) > 0:
		if err := openInput(ctx, a, o, args[0], &in); err != nil {
			return in, errors.Join(err, in.close())
		}
	default:
		g, err := generator(o)
		if err != nil {
			return in, &usageError{err: err}
		}
		in.source, in.total, in.name, in.label, in.generated = g, o.total, "generated", "", true
		if in.total == 0 && o.rate > 0 {
			in.total = int(o.rate * o.length.Seconds())
		}
	}
	if o.rejects != "" {
		in.name = o.rejects
	}
	return in, nil
}

// openInput opens a file, or - for standard input. Reading a pipe or a terminal ends
// with ctx.
func openInput(ctx context.Context, a *App, o sendOptions, name string, in *input) error {
	var r io.Reader
	if name == "-" {
		r = a.Stdin
		if _, ok := terminal(a.Stdin); ok {
			a.notef("Reading events from the terminal, one JSON object per line; Ctrl-D ends the input.")
		}
	} else {
		in.name, in.file, in.label = name, name, name
		f, err := send.OpenBlocking(ctx, func() (*os.File, error) { return os.Open(name) })
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return &usageError{err: fmt.Errorf("read events: %w", err)}
		}
		r, in.close = f, f.Close
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return &usageError{err: fmt.Errorf("read events: %s is a folder", name), hint: "name a file, or `cat " + shellWord(name) + "/*.ndjson | streamctl send -`"}
		}
	}
	if f, ok := r.(*os.File); !ok || !isRegular(f) {
		r = send.Interruptible(ctx, r)
	}
	source, err := send.Open(r, send.Input{Name: in.label, Format: o.format, FromLine: o.fromLine})
	in.source = source
	return err
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// rejects creates the files for events that aren't accepted, before any event is sent.
func (in input) rejects() (*send.File, error) {
	f := &send.File{Name: in.name}
	if in.total == 1 {
		return f, nil // from flags: nothing can be resumed
	}
	left := in.name + ".unsent"
	info, err := os.Lstat(left)
	switch {
	case in.file == "" || strings.HasSuffix(in.file, ".unsent"): // it can be sent again, or not at all
	case err == nil && info.Size() > 0:
		return nil, &usageError{err: fmt.Errorf("%s exists: it holds events of an earlier run that were not accepted", left),
			hint: fmt.Sprintf("`streamctl send %s` sends them; remove the file when they are accepted. Sending all of %s again would duplicate accepted events without an eventId", shellWord(left), in.file)}
	case err == nil:
		return nil, &usageError{err: fmt.Errorf("%s exists and is empty: an earlier run was killed, or still runs", left),
			hint: fmt.Sprintf("a part of %s may have been accepted: compare with `streamctl query events`, remove %s, and choose the rest with --from-line. Events with an eventId and a timestamp can be sent again without duplicates", in.file, left)}
	}
	if err := f.Begin(); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || in.file != "" {
			return nil, &usageError{err: fmt.Errorf("create a file for events that are not accepted: %w", err), hint: "--rejects names another place, such as --rejects /tmp/events"}
		}
		return nil, fmt.Errorf("create a file for events that are not accepted: %w", err)
	}
	return f, nil
}

func generator(o sendOptions) (*traffic.Generator, error) {
	t := traffic.Options{Profile: o.traffic, Users: o.users, Seed: o.seed, Events: o.total}
	if t.Seed == 0 {
		t.Seed = uint64(time.Now().UnixNano())
	}
	if o.start != "" {
		start, err := time.Parse(time.RFC3339, o.start)
		if err != nil {
			return nil, fmt.Errorf("--start %q: want a time such as 2026-01-31T12:00:00Z", o.start)
		}
		t.Start, t.Every = start, time.Duration(float64(time.Second)/o.rate)
	}
	return traffic.New(t)
}
