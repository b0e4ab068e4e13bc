package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
)

func newMetricsCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "metrics", Short: "List and forget the dimension values of metrics"}
	cmd.AddCommand(newMetricsValuesCmd(a))
	return cmd
}

type valuesOptions struct {
	api     apiOptions
	forget  []string
	dataDir string
}

func newMetricsValuesCmd(a *App) *cobra.Command {
	var o valuesOptions
	cmd := &cobra.Command{
		Use:   "values [metric]",
		Short: "List the dimension values of a metric that have a place, and forget some",
		Long: `List the values of a metric (events by default) that have counts of their own: a
hundred, and the event types in EventTypes. All other values are counted together as
__other__. A value that occurs in no loaded event for 30 days loses its place.

--forget releases the places of values immediately. Their counts so far stay, and a
value that is loaded again gets a place if one is free.`,
		Example: `  streamctl metrics values
  streamctl metrics values revenue -o json
  streamctl metrics values --forget junk1 --forget junk2
  streamctl metrics values --forget junk1 --data-dir .streamctl/local`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			metric := "events"
			if len(args) == 1 {
				metric = args[0]
			}
			return runMetricsValues(cmd.Context(), a, o, metric)
		},
	}
	o.api.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "", "with --forget: data folder of a running streamctl local, instead of a stack")
	cmd.Flags().StringArrayVar(&o.forget, "forget", nil, "value that loses its place; may be given several times")
	return cmd
}

// valuesResult is the result of `metrics values`.
type valuesResult struct {
	Metric string            `json:"metric"`
	Places int               `json:"places"`
	Used   int               `json:"used"`
	Values []api.MetricValue `json:"values"`
}

func runMetricsValues(ctx context.Context, a *App, o valuesOptions, metric string) error {
	if strings.Trim(metric, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || metric == "" {
		return &usageError{err: fmt.Errorf("metric %q: a name has small letters, digits and underscores", metric)}
	}
	if len(o.forget) > 0 {
		return forgetValues(ctx, a, o, metric)
	}
	client, err := newAPI(ctx, a, o.api, 1)
	if err != nil {
		return err
	}
	var body api.ValuesResponse
	if err := get(ctx, client, api.MetricPath(metric, url.Values{"list": {"values"}}), &body); err != nil {
		return suggestMetric(ctx, a, metric, err)
	}
	r := valuesResult{Metric: body.Metric, Places: body.Places, Used: body.Used, Values: body.Values}
	return a.printResult(r, func() { showValues(a, r) })
}

// forgetResult is the result of `metrics values --forget`.
type forgetResult struct {
	Metric    string   `json:"metric"`
	Forgotten []string `json:"forgotten"`
}

// forgetValues has maintenance take the places of values.
func forgetValues(ctx context.Context, a *App, o valuesOptions, metric string) error {
	if o.dataDir == "" {
		if err := noURL(a, o.api.url); err != nil {
			return err
		}
	}
	var done contract.MaintenanceResult
	err := taskOptions{o.dataDir}.with(ctx, a, func(t *tasks) (err error) {
		done, err = t.ask(ctx, contract.MaintenanceTask{Task: contract.TaskForget, Metric: metric, Values: o.forget})
		return err
	})
	if err != nil {
		return err
	}
	r := forgetResult{Metric: metric, Forgotten: done.Forgotten}
	err = a.printResult(r, func() {
		for _, v := range r.Forgotten {
			a.printf("%s has lost its place in %s\n", ui.Line(v), metric)
		}
	})
	for _, value := range o.forget {
		if !slices.Contains(done.Forgotten, value) {
			err = errors.Join(err, &usageError{err: fmt.Errorf("--forget %q: %s has no such value with a place", value, metric), hint: "`streamctl metrics values " + metric + "` lists them"})
		}
	}
	return err
}

func showValues(a *App, r valuesResult) {
	a.printf("%s: %d of %d places are used\n", ui.Line(r.Metric), r.Used, r.Places)
	names := make([]string, len(r.Values))
	for i, v := range r.Values {
		names[i] = v.Value
	}
	width := widest(names)
	for _, v := range r.Values {
		note := ""
		switch {
		case v.ReleasedAt != nil:
			note = "  released " + v.ReleasedAt.Format(time.RFC3339Nano)
		case v.Reserved:
			note = "  reserved"
		}
		a.printf("  %s  last loaded %s%s\n", ui.Pad(v.Value, width), ui.Line(v.LastSeen), note)
	}
}
