package cli

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

type alertsOptions struct {
	api  apiOptions
	days int
}

func newAlertsCmd(a *App) *cobra.Command {
	var o alertsOptions
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Show the declared alerts, their states and their last changes",
		Long: `Show the alerts that variables.yaml declares, with the state of each: ok, pending (the
condition holds, but not long enough), firing, silenced, or no data. Below, the changes
of the last days, the newest last. Times are in UTC.

maintenance evaluates each minute a minute after its end, when its events are loaded.`,
		Example: `  streamctl alerts
  streamctl alerts --days 30 -o json
  streamctl alerts --url http://127.0.0.1:8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAlerts(cmd.Context(), a, o) },
	}
	o.api.flags(cmd.Flags())
	cmd.Flags().IntVar(&o.days, "days", 7, "days of changes to show, 1 to 400")
	return cmd
}

func runAlerts(ctx context.Context, a *App, o alertsOptions) error {
	client, err := newAPI(ctx, a, o.api, 1)
	if err != nil {
		return err
	}
	var body api.AlertsResponse
	if err := get(ctx, client, api.MetricPath(api.MetricAlerts, url.Values{"days": {strconv.Itoa(o.days)}}), &body); err != nil {
		return err
	}
	return a.printResult(body, func() { showAlerts(a, body) })
}

func showAlerts(a *App, body api.AlertsResponse) {
	if len(body.Alerts) == 0 {
		a.printf("No alerts. Alerts in variables.yaml declares them.\n")
		return
	}
	names := make([]string, len(body.Alerts))
	for i, s := range body.Alerts {
		names[i] = s.Name
	}
	width := widest(names)
	for _, s := range body.Alerts {
		a.printf("%s  %-8s  %-8s  %s  since %s\n", ui.Pad(s.Name, width), s.State, s.Severity, ui.Line(s.Condition+", now "+alertNumber(s.Number)), s.Since.UTC().Format(time.RFC3339))
	}
	if body.Stale {
		a.notef("The newest evaluation is more than 5 minutes old: `streamctl logs maintenance --since 30m --level error`")
	}
	for _, c := range body.Changes {
		word := c.State
		if c.State == alert.Firing {
			word = "FIRING"
		}
		a.printf("%s  %s  %s  %s\n", c.At.UTC().Format(time.RFC3339), ui.Pad(c.Name, width), word, alertNumber(c.Number))
	}
}

// alertNumber prints a number, or a dash without data.
func alertNumber(n *float64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatFloat(*n, 'g', 6, 64)
}
