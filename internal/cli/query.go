package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/nearest"
)

type queryOptions struct {
	api                            apiOptions
	from, to, eventType, by, where string
	last, step                     time.Duration
}

func newQueryCmd(a *App) *cobra.Command {
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query <metric>",
		Short: "Query a metric, or ask a question such as a funnel",
		Long: `Query the stack's API, signed with your AWS credentials, or the API at --url: summary
(the last hour), events (by time and type), users (per day), or a declared metric. Text
shows a small chart; -o json and -o csv print every point with exact numbers. The
subcommands ask questions about the events of users.`,
		Example: `  streamctl query summary
  streamctl query events --last 6h --step 10m
  streamctl query revenue --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --step 24h -o csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runQuery(cmd.Context(), a, o, args[0]) },
	}
	f := cmd.Flags()
	o.api.flags(f)
	f.StringVar(&o.from, "from", "", "start of the range: RFC 3339, or a day for users (default: an hour before its end; users: 7 days)")
	f.StringVar(&o.to, "to", "", "end of the range, exclusive (default: now)")
	f.Var((*ui.Duration)(&o.last), "last", "length of a range that ends now, such as 6h or 7d, instead of --from and --to")
	f.Var((*ui.Duration)(&o.step), "step", "length of a step in whole minutes, 1m to 24h (default: about 60 steps)")
	f.StringVar(&o.eventType, "event-type", "", "with events: only this event type")
	f.StringVar(&o.by, "by", "", "with events: none adds up all types")
	f.StringVar(&o.where, "where", "", "with events and users: only events with these properties, such as country=DE, amount>10")
	cmd.AddCommand(newFunnelCmd(a), newRetentionCmd(a), newSessionsCmd(a), newBreakdownCmd(a), newPathsCmd(a), newLiveCmd(a))
	return cmd
}

// steps is the approximate number of steps in a chart.
const steps = 60

// target returns the path and query of the request.
func (o queryOptions) target(metric string, now time.Time) (string, error) {
	if strings.Trim(metric, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || metric == "" {
		return "", &usageError{err: fmt.Errorf("metric %q: a name has small letters, digits and underscores", metric)}
	}
	q := url.Values{}
	if o.last != 0 {
		if o.from != "" || o.to != "" {
			return "", &usageError{err: errors.New("--last excludes --from and --to")}
		}
		if o.last < time.Minute {
			return "", &usageError{err: fmt.Errorf("--last %s: want at least 1m", o.last)}
		}
		o.to = now.UTC().Truncate(time.Minute).Add(time.Minute).Format(time.RFC3339)
		o.from = now.UTC().Truncate(time.Minute).Add(time.Minute - o.last).Format(time.RFC3339)
	}
	layout := time.RFC3339
	switch metric {
	case api.MetricAlerts:
		return "", &usageError{err: errors.New("alerts are no metric"), hint: "`streamctl alerts` lists them"}
	case api.MetricSummary:
		if o.from+o.to+o.eventType+o.by+o.where != "" || o.step != 0 {
			return "", &usageError{err: errors.New("summary covers the last hour and takes no range"), hint: "`streamctl query events --last 6h` takes one"}
		}
	case api.MetricUsers:
		layout = time.DateOnly
		if o.last != 0 {
			o.from, o.to = now.UTC().Add(-o.last).Format(layout), ""
		}
		if o.from == "" {
			o.from = now.UTC().AddDate(0, 0, -6).Format(layout)
		}
	default:
		step, err := o.stepFor(now)
		if err != nil {
			return "", err
		}
		q.Set("step", fmt.Sprintf("%dm", int(step.Minutes())))
	}
	for name, value := range map[string]string{"from": o.from, "to": o.to} {
		if value == "" {
			continue
		}
		if _, err := time.Parse(layout, value); err != nil {
			return "", &usageError{err: fmt.Errorf("--%s %q: want a time such as %s", name, value, now.UTC().Truncate(time.Hour).Format(layout))}
		}
		q.Set(name, value)
	}
	for name, value := range map[string]string{"eventType": o.eventType, "by": o.by, "where": o.where} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return api.MetricPath(metric, q), nil
}

// stepFor returns the given step, or one that makes about as many steps as a chart has.
func (o queryOptions) stepFor(now time.Time) (time.Duration, error) {
	if o.step != 0 {
		if o.step < time.Minute || o.step > 24*time.Hour || o.step%time.Minute != 0 {
			return 0, &usageError{err: fmt.Errorf("--step %s: want whole minutes, 1m to 24h", o.step)}
		}
		return o.step, nil
	}
	from, fromErr := time.Parse(time.RFC3339, o.from)
	to, toErr := time.Parse(time.RFC3339, o.to)
	switch {
	case fromErr != nil:
		return time.Minute, nil
	case toErr != nil:
		to = now
	}
	for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if to.Sub(from) <= steps*step {
			return step, nil
		}
	}
	return 24 * time.Hour, nil
}

// queryAnswer is a response with its pages combined.
type queryAnswer = api.MetricResponse

func runQuery(ctx context.Context, a *App, o queryOptions, metric string) error {
	target, err := o.target(metric, time.Now())
	if err != nil {
		return err
	}
	client, err := newAPI(ctx, a, o.api, 1)
	if err != nil {
		return err
	}
	answer, err := askAll(ctx, client, metric, target)
	if err != nil {
		return suggestMetric(ctx, a, metric, err)
	}
	showHints(a.story, answer.Hints, columns(a.Stderr))
	if a.flags.output == "csv" {
		return writeCSV(a.out, answer)
	}
	return a.printResult(answer, func() { answerText{a.out, columns(a.Stdout)}.show(answer) })
}

// suggestMetric adds the metric that is nearest to an unknown one.
func suggestMetric(ctx context.Context, a *App, metric string, err error) error {
	var unknown *problemError
	if errors.As(err, &unknown) && unknown.status == http.StatusNotFound {
		if name := nearest.Name(metric, metricNames(ctx, a)); name != "" && name != metric {
			unknown.hint = "did you mean " + name + "?"
		}
	}
	return err
}

// askAll requests all pages of an answer. The whole has the oldest asOf and the worst
// flags of its pages.
func askAll(ctx context.Context, client *api.Client, metric, target string) (queryAnswer, error) {
	var whole queryAnswer
	if err := get(ctx, client, target, &whole); err != nil {
		return whole, err
	}
	for whole.Next != "" {
		var page queryAnswer
		if err := get(ctx, client, api.MetricPath(metric, url.Values{"cursor": {whole.Next}}), &page); err != nil {
			return whole, err
		}
		whole.Points = append(whole.Points, page.Points...)
		whole.To, whole.Next, whole.Stale = page.To, page.Next, whole.Stale || page.Stale
		if page.Source != whole.Source {
			whole.Source = api.SourceBoth
		}
		if page.Skipped != nil && whole.Skipped != nil {
			*whole.Skipped += *page.Skipped
		}
		if page.Folded != nil {
			if whole.Folded == nil {
				whole.Folded = &api.Folded{From: page.Folded.From}
			}
			whole.Folded.To = page.Folded.To
			whole.Folded.Events += page.Folded.Events
		}
		if page.AsOf != nil && (whole.AsOf == nil || page.AsOf.Before(*whole.AsOf)) {
			whole.AsOf = page.AsOf
		}
	}
	return whole, nil
}
