package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/nearest"
	"github.com/streamctl/streamctl/internal/pause"
)

type logsOptions struct {
	follow, all   bool
	since         time.Duration
	filter, level string
	dataDir       string
}

func newLogsCmd(a *App) *cobra.Command {
	o := logsOptions{since: 15 * time.Minute}
	cmd := &cobra.Command{
		Use:   "logs [function...]",
		Short: "Show the log of the functions in order of time",
		Long: `Show the lines that the functions logged, in order of time: the time in UTC, the level,
the function, the first characters of the invocation's id, the message and its fields.
Lines with the same id belong to one invocation. Without a name, all functions are shown:
` + alternatives(functionNames()) + `.

Lambda's own lines (START, END, REPORT) and the lines with metrics are hidden; --all shows
them. Text that is not from streamctl's log, such as the trace of a panic, counts as an
error.`,
		Example: `  streamctl logs --level warn --since 6h
  streamctl logs processor maintenance --follow
  streamctl logs ingest --filter '"events not stored"' -o json
  streamctl logs --data-dir .streamctl/local -f`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runLogs(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "show new lines until Ctrl-C")
	f.Var((*ui.Duration)(&o.since), "since", "age of the oldest line, such as 2h or 7d")
	f.StringVar(&o.filter, "filter", "", "filter pattern of CloudWatch Logs; with --data-dir, a text that a line contains")
	f.StringVar(&o.level, "level", "info", "lowest level: debug, info, warn or error")
	f.BoolVar(&o.all, "all", false, "show the lines of Lambda and the metrics too")
	f.StringVar(&o.dataDir, "data-dir", "", "data folder of streamctl local, instead of a stack")
	return cmd
}

func functionNames() (names []string) {
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
	}
	return names
}

// check rejects an invalid command line and returns the lowest level.
func (o logsOptions) check(names []string) (slog.Level, error) {
	for _, name := range names {
		if _, ok := contract.FunctionByName(name); ok {
			continue
		}
		err := &usageError{err: fmt.Errorf("function %q: want %s", name, alternatives(functionNames()))}
		if near := nearest.Name(name, functionNames()); near != "" {
			err.hint = "did you mean " + near + "?"
		}
		return 0, err
	}
	if o.since <= 0 {
		return 0, &usageError{err: fmt.Errorf("--since %s: want more than 0s", o.since)}
	}
	level, err := logs.ParseLevel(o.level)
	if err != nil {
		return 0, &usageError{err: fmt.Errorf("--level %w", err)}
	}
	return level, nil
}

// logSource reads the lines that it has not shown yet.
type logSource interface {
	// Read calls show in order of time. It notes what it could not read.
	Read(ctx context.Context, show func(logs.Line) error) error
	// Pause is the time between two reads.
	Pause() time.Duration
	Close() error
}

func runLogs(ctx context.Context, a *App, o logsOptions, names []string) (err error) {
	level, err := o.check(names)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = functionNames()
	}
	source, err := newLogSource(ctx, a, o, names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	print := linePrinter(a)
	return followLog(ctx, a, source, o.follow, func(l logs.Line) error {
		if l.Service && !o.all || !l.Service && !l.AtLeast(level) {
			return nil
		}
		return print(l)
	})
}

func newLogSource(ctx context.Context, a *App, o logsOptions, names []string) (logSource, error) {
	if o.dataDir != "" {
		return openLocalLog(o.dataDir, o.filter, time.Now().Add(-o.since), names)
	}
	return openStackLog(ctx, a, o.filter, time.Now().Add(-o.since), names)
}

// followLog shows the lines of a source; with follow, until ctx ends, which is no error.
// A read that fails is repeated after the first one succeeded.
func followLog(ctx context.Context, a *App, source logSource, follow bool, show func(logs.Line) error) error {
	for first := true; ; first = false {
		err := source.Read(ctx, show)
		failed := (*writeError)(nil)
		switch {
		case follow && ctx.Err() != nil:
			return nil
		case err != nil && (first || errors.As(err, &failed)):
			return err
		case err != nil:
			a.notef("The log can't be read: %s; trying again", message(err))
		}
		if !follow || pause.For(ctx, source.Pause()) != nil {
			return nil
		}
	}
}

// requestColumns is the number of characters of an invocation's id that are shown.
const requestColumns = 8

// linePrinter prints a line in the format of --output.
func linePrinter(a *App) func(logs.Line) error {
	if a.flags.output == "json" {
		return func(l logs.Line) error { return printJSONLine(a, l) }
	}
	wide := 0
	for _, name := range functionNames() {
		wide = max(wide, len(name))
	}
	return func(l logs.Line) error {
		request := l.Request[:min(len(l.Request), requestColumns)]
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s %s %s", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), ui.Pad(l.Level, len("ERROR")), ui.Pad(l.Function, wide), ui.Pad(request, requestColumns), ui.Line(l.Message))
		for _, f := range l.Fields {
			if f.Name != "stack" { // the same in every line
				fmt.Fprintf(&b, " %s=%s", ui.Line(f.Name), ui.Line(f.Text()))
			}
		}
		a.printf("%s\n", strings.TrimRight(b.String(), " "))
		if err := a.out.Err(); err != nil {
			return &writeError{err}
		}
		return nil
	}
}
