package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

// questionOptions are the flags of a question about the events of users.
type questionOptions struct {
	api                       apiOptions
	from, to, where           string
	last                      time.Duration
	steps                     []string
	window, gap               string
	by                        []string
	event, property, percents string
	start, back, unit, zone   string
	top, periods, depth       int
	before                    bool
}

// newQuestionCmd returns the command of a question, with the flags of its range.
func newQuestionCmd(a *App, o *questionOptions, kind, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: kind, Short: short, Long: long, Example: example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("last") && o.last <= 0 {
				return &usageError{err: errors.New("--last: want a length such as 6h or 7d")}
			}
			return runQuestion(cmd.Context(), a, *o, kind)
		},
	}
	f := cmd.Flags()
	o.api.flags(f)
	f.StringVar(&o.where, "where", "", "only events with these properties, such as country=DE, amount>10")
	if kind == api.QuestionLive {
		return cmd
	}
	f.StringVar(&o.from, "from", "", "start of the range, RFC 3339 (default: 7 days before its end; retention: 8 weeks)")
	f.StringVar(&o.to, "to", "", "end of the range, exclusive (default: now)")
	f.Var((*ui.Duration)(&o.last), "last", "length of a range that ends now, such as 6h or 7d, instead of --from and --to")
	if kind != api.QuestionRetention {
		f.IntVar(&o.top, "top", 10, "number of groups or types, 1 to 100")
	}
	return cmd
}

func newFunnelCmd(a *App) *cobra.Command {
	var o questionOptions
	cmd := newQuestionCmd(a, &o, api.QuestionFunnel, "Count how many users complete steps in order",
		`Count the users who complete 2 to 8 steps in order within a window, and the median time
between steps. A step is an event type, with filters in braces: purchase{amount>10,
plan in (pro, team)}. An event type with a comma or a brace is written in double quotes.`,
		`  streamctl query funnel --step page_view --step checkout --step purchase
  streamctl query funnel --step 'page_view{page="/pricing"}' --step purchase --window 1d --by country -o csv`)
	f := cmd.Flags()
	f.StringArrayVar(&o.steps, "step", nil, "step, in order; 2 to 8 times")
	f.StringVar(&o.window, "window", "", "longest time from the first step to the last, such as 2h or 30d (default 7d)")
	f.StringArrayVar(&o.by, "by", nil, "group by a property of the first step's event")
	return cmd
}

func newRetentionCmd(a *App) *cobra.Command {
	var o questionOptions
	cmd := newQuestionCmd(a, &o, api.QuestionRetention, "Count how many users return in later periods",
		`Count, for the users whose first start event is in the same day, week (from Monday) or
month, in which of the following periods they have a return event.`,
		`  streamctl query retention --start signup --return page_view
  streamctl query retention --start signup --return '*' --unit day --zone Europe/Berlin --last 14d`)
	f := cmd.Flags()
	f.StringVar(&o.start, "start", "", "event that begins a user's history")
	f.StringVar(&o.back, "return", "", "event of a return; * is any")
	f.StringVar(&o.unit, "unit", "", "period: day, week or month (default week)")
	f.StringVar(&o.zone, "zone", "", "IANA time zone of the periods (default UTC)")
	f.IntVar(&o.periods, "periods", 8, "number of periods after the first, 1 to 60")
	return cmd
}

func newSessionsCmd(a *App) *cobra.Command {
	var o questionOptions
	cmd := newQuestionCmd(a, &o, api.QuestionSessions, "Count sessions and their lengths, entries and exits",
		`Split the events of each user into sessions where the user is inactive for longer than
the gap, and show their number, duration, events, bounce rate, entries and exits.`,
		`  streamctl query sessions --last 7d
  streamctl query sessions --gap 15m --where country=DE -o json`)
	cmd.Flags().StringVar(&o.gap, "gap", "", "longest inactivity in a session, 1s to 24h (default 30m)")
	return cmd
}

func newBreakdownCmd(a *App) *cobra.Command {
	var o questionOptions
	cmd := newQuestionCmd(a, &o, api.QuestionBreakdown, "Group events by properties, with sums and percentiles",
		`Group events by one or two properties, and show count, users and, of a numeric property,
sum, minimum, maximum and percentiles.`,
		`  streamctl query breakdown --event purchase --by country --property amount
  streamctl query breakdown --event '*' --by eventType,country --top 20 -o csv`)
	f := cmd.Flags()
	f.StringVar(&o.event, "event", "", "event, with filters in braces if needed; * is any")
	f.StringArrayVar(&o.by, "by", nil, "one or two properties, separated by a comma or with two flags, or eventType")
	f.StringVar(&o.property, "property", "", "numeric property")
	f.StringVar(&o.percents, "percents", "", "percentiles (default 50,90,95,99)")
	return cmd
}

func newPathsCmd(a *App) *cobra.Command {
	var o questionOptions
	cmd := newQuestionCmd(a, &o, api.QuestionPaths, "List the most frequent events after or before an event",
		`List the most frequent sequences of up to 4 events that follow an event within a session,
or that lead to it.`,
		`  streamctl query paths --event signup
  streamctl query paths --event purchase --before --depth 3`)
	f := cmd.Flags()
	f.StringVar(&o.event, "event", "", "event, with filters in braces if needed")
	f.BoolVar(&o.before, "before", false, "events before the event instead of after it")
	f.IntVar(&o.depth, "depth", 4, "largest number of events, 1 to 4")
	f.StringVar(&o.gap, "gap", "", "longest inactivity in a session, 1s to 24h (default 30m)")
	return cmd
}

func newLiveCmd(a *App) *cobra.Command {
	var o questionOptions
	return newQuestionCmd(a, &o, api.QuestionLive, "Count the users of the last 5 minutes",
		`Count the users with an event in the last 5 minutes, by the events' own times.`,
		`  streamctl query live
  streamctl query live --where country=DE -o json`)
}

// target returns the path and query of the request.
func (o questionOptions) target(kind string, now time.Time) (string, error) {
	if o.last != 0 {
		if o.from+o.to != "" {
			return "", &usageError{err: errors.New("--last excludes --from and --to")}
		}
		end := now.UTC().Truncate(time.Minute).Add(time.Minute)
		o.to, o.from = end.Format(time.RFC3339), end.Add(-o.last).Format(time.RFC3339)
	}
	for name, value := range map[string]string{"from": o.from, "to": o.to} {
		if _, err := time.Parse(time.RFC3339, value); value != "" && err != nil {
			return "", &usageError{err: fmt.Errorf("--%s %q: want a time such as %s", name, value, now.UTC().Truncate(time.Hour).Format(time.RFC3339))}
		}
	}
	direction := ""
	if o.before {
		direction = "before"
	}
	q := url.Values{}
	for name, value := range map[string]string{
		"from": o.from, "to": o.to, "where": o.where, "steps": strings.Join(o.steps, ", "), "window": o.window, "gap": o.gap, "by": strings.Join(o.by, ","), "event": o.event,
		"property": o.property, "percents": o.percents, "start": o.start, "return": o.back, "unit": o.unit, "zone": o.zone, "direction": direction,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	switch kind {
	case api.QuestionRetention:
		q.Set("periods", strconv.Itoa(o.periods))
	case api.QuestionPaths:
		q.Set("depth", strconv.Itoa(o.depth))
		fallthrough
	case api.QuestionFunnel, api.QuestionSessions, api.QuestionBreakdown:
		q.Set("top", strconv.Itoa(o.top))
	}
	return api.MetricPath(kind, q), o.required(kind)
}

// required reports a missing flag.
func (o questionOptions) required(kind string) error {
	missing := ""
	switch {
	case kind == api.QuestionFunnel && len(o.steps) < 2:
		missing = "--step at least twice"
	case kind == api.QuestionRetention && (o.start == "" || o.back == ""):
		missing = "--start and --return"
	case kind == api.QuestionBreakdown && (o.event == "" || len(o.by) == 0):
		missing = "--event and --by"
	case kind == api.QuestionPaths && o.event == "":
		missing = "--event"
	default:
		return nil
	}
	return &usageError{err: fmt.Errorf("%s needs %s", kind, missing), hint: "`streamctl query " + kind + " --help` has examples"}
}

func runQuestion(ctx context.Context, a *App, o questionOptions, kind string) error {
	target, err := o.target(kind, time.Now())
	if err != nil {
		return err
	}
	client, err := newAPI(ctx, a, o.api, 1)
	if err != nil {
		return err
	}
	var answer api.InsightResponse
	if err := get(ctx, client, target, &answer); err != nil {
		return err
	}
	showHints(a.story, answer.Hints, columns(a.Stderr))
	if a.flags.output == "csv" {
		return writeQuestionCSV(a.out, answer)
	}
	return a.printResult(answer, func() { answerText{a.out, columns(a.Stdout)}.showQuestion(answer) })
}
