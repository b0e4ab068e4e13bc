package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/tail"
)

type tailOptions struct {
	eventType, user string
	where           []string
	last            int
	every           time.Duration
	noFollow        bool
	rejected        bool
	dataDir         string
}

func newTailCmd(a *App) *cobra.Command {
	o := tailOptions{every: time.Second}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events as they become queryable, or as they are rejected",
		Long: `Show the newest events of the warehouse, and then each event when it becomes queryable,
until Ctrl-C. Every poll is one statement in the stack's query function, as with
streamctl sql. A poll reads the newest 1,000 events of the last two minutes; if more
arrive, tail reports that some are not shown.

--rejected shows what ingest rejected: per request the number of events, the first reason
with its field, and the caller, which is an IAM identity or an address. The content of
rejected events is not logged. It reads the function's log of the last hour first.`,
		Example: `  streamctl tail --type purchase --where properties.currency=EUR
  streamctl tail --user user123 --last 100 --no-follow -o json
  streamctl tail --rejected
  streamctl tail --data-dir .streamctl/local`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTail(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.eventType, "type", "", "only this event type")
	f.StringVar(&o.user, "user", "", "only events of this user id")
	f.StringArrayVar(&o.where, "where", nil, "only events with this property, as properties.PATH=VALUE; may be repeated")
	f.IntVar(&o.last, "last", 20, "number of events to begin with, 0 to 1000")
	f.Var((*ui.Duration)(&o.every), "every", "time between two polls, at least 1s")
	f.BoolVar(&o.noFollow, "no-follow", false, "show the newest events and end")
	f.BoolVar(&o.rejected, "rejected", false, "show rejected events: reason, number and caller")
	f.StringVar(&o.dataDir, "data-dir", "", "data folder of a running streamctl local, instead of a stack")
	return cmd
}

// check rejects an invalid command line and returns the conditions on events.
func (o tailOptions) check() ([]tail.Property, error) {
	switch {
	case o.last < 0 || o.last > tail.Most:
		return nil, &usageError{err: fmt.Errorf("--last %d: want 0 to %d", o.last, tail.Most)}
	case o.every < time.Second:
		return nil, &usageError{err: fmt.Errorf("--every %s: want at least 1s", o.every)}
	case o.rejected && (o.eventType != "" || o.user != "" || len(o.where) > 0):
		return nil, &usageError{err: errors.New("--rejected excludes --type, --user and --where: the content of rejected events is not logged")}
	}
	var all []tail.Property
	for _, text := range o.where {
		name, value, found := strings.Cut(text, "=")
		path, isProperty := strings.CutPrefix(name, "properties.")
		p := tail.Property{Path: strings.Split(path, "."), Value: value}
		for _, part := range p.Path {
			isProperty = isProperty && part != ""
		}
		if !found || !isProperty {
			return nil, &usageError{err: fmt.Errorf("--where %q: want properties.PATH=VALUE, such as properties.page=/home", text)}
		}
		all = append(all, p)
	}
	return all, nil
}

func runTail(ctx context.Context, a *App, o tailOptions) error {
	where, err := o.check()
	if err != nil {
		return err
	}
	if o.rejected {
		return tailRejected(ctx, a, o)
	}
	server, err := newSQLServer(ctx, a, sqlOptions{timeout: 30 * time.Second, maxParallel: 1, dataDir: o.dataDir})
	if err != nil {
		return err
	}
	t := newEventTail(server, tail.NewQuery(o.eventType, o.user, where))
	defer t.end(ctx)
	return t.follow(ctx, a, o)
}

// showEvent prints an event on one line.
func showEvent(a *App, e tail.Event) error {
	if a.flags.output == "json" {
		return printJSONLine(a, e)
	}
	a.printf("%s  %s  %s  %s\n", e.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"), ui.Pad(e.EventType, 16), ui.Pad(e.UserID, 16), ui.Line(string(e.Properties)))
	if err := a.out.Err(); err != nil {
		return &writeError{err}
	}
	return nil
}
