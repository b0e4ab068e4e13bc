package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/cost"
	"github.com/streamctl/streamctl/internal/template"
)

type costOptions struct {
	load        cost.Load
	fromStack   bool
	days        int
	prices      string
	printPrices bool
	// given reports whether --events-per-second is on the command line.
	given bool
}

func newCostCmd(a *App) *cobra.Command {
	var o costOptions
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Estimate the monthly bill by component",
		Long: `Estimate what AWS bills per month for the variables and a steady traffic, or for the
traffic that a stack had in the last days: per component, per million events, and what
other settings would save. Without --from-stack nothing is called.

The list of prices is part of this version, with the source of each price; discounts, free
tiers and taxes are not included. --prices uses another list. docs/costs.md describes the
assumptions, such as the duration of an invocation. Stores grow until their retention:
--month selects the month of operation.`,
		Example: `  streamctl cost --events-per-second 100
  streamctl cost --env development --events-per-second 1 --region eu-central-1 -o json
  streamctl cost --from-stack --days 30
  streamctl cost --print-prices > prices.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.given = cmd.Flags().Changed("events-per-second")
			return runCost(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&o.load.EventsPerSecond, "events-per-second", 0, "events per second, on average")
	f.IntVar(&o.load.EventBytes, "event-bytes", 1000, "size of an event as sent, 50 to 65536 bytes")
	f.IntVar(&o.load.Batch, "batch", 1, "events per request, 1 to 500")
	f.Float64Var(&o.load.QueriesPerSecond, "queries-per-second", 0.1, "queries of metrics per second, on average")
	f.IntVar(&o.load.Month, "month", 12, "month of operation, 1 to 120: the archive and the warehouse grow")
	f.BoolVar(&o.fromStack, "from-stack", false, "use the traffic of the stack, from CloudWatch")
	f.IntVar(&o.days, "days", 7, "with --from-stack: last days, 1 to 60")
	f.StringVar(&o.prices, "prices", "", "file with prices, instead of the list of this version")
	f.BoolVar(&o.printPrices, "print-prices", false, "print the list of prices with their sources")
	return cmd
}

// check rejects an invalid command line.
func (o costOptions) check() error {
	rate := func(flag string, value, most float64) error {
		if math.IsNaN(value) || value < 0 || value > most {
			return &usageError{err: fmt.Errorf("--%s %v: want 0 to %.0f", flag, value, most)}
		}
		return nil
	}
	between := func(flag string, value, least, most int) error {
		if value < least || value > most {
			return &usageError{err: fmt.Errorf("--%s %d: want %d to %d", flag, value, least, most)}
		}
		return nil
	}
	switch {
	case o.fromStack && o.given:
		return &usageError{err: errors.New("--from-stack excludes --events-per-second")}
	case !o.fromStack && !o.given && !o.printPrices:
		return &usageError{err: errors.New("--events-per-second is missing"), hint: "give the traffic, or --from-stack"}
	}
	for _, err := range []error{
		rate("events-per-second", o.load.EventsPerSecond, 1e6), rate("queries-per-second", o.load.QueriesPerSecond, 1e5), between("event-bytes", o.load.EventBytes, 50, 1<<16),
		between("batch", o.load.Batch, 1, 500), between("month", o.load.Month, 1, 120), between("days", o.days, 1, 60),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// costResult is the result of cost.
type costResult struct {
	cost.Report
	Environment string `json:"environment"`
	// Load is the traffic of an estimate; missing with --from-stack.
	Load *cost.Load `json:"load,omitempty"`
	// Measured describes the traffic of a stack; missing without --from-stack.
	Measured *measured `json:"measured,omitempty"`
}

func runCost(ctx context.Context, a *App, o costOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.printPrices {
		return a.write(cost.Source())
	}
	prices, err := readPrices(ctx, o.prices)
	if err != nil {
		return err
	}
	if o.fromStack {
		return costOfStack(ctx, a, o, prices)
	}
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	region := cmp.Or(v.Region, a.Getenv("AWS_REGION"), a.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	r, err := cost.ForLoad(cost.Platform{Variables: v, Region: region, AlarmMetrics: template.AlarmMetrics(v)}, o.load, prices)
	if err != nil {
		return err
	}
	result := costResult{Report: r, Environment: v.Environment, Load: &o.load}
	return a.printResult(result, func() { printCost(a, result) })
}

func readPrices(ctx context.Context, path string) (cost.Prices, error) {
	if path == "" {
		return cost.ListPrices()
	}
	text, err := ask(ctx, func() ([]byte, error) { return os.ReadFile(path) })
	if errors.Is(err, os.ErrNotExist) {
		return cost.Prices{}, &usageError{err: fmt.Errorf("--prices: %w", err)}
	}
	if err != nil {
		return cost.Prices{}, fmt.Errorf("read prices: %w", err)
	}
	return cost.ReadPrices(strings.NewReader(string(text)))
}

// printCost prints the bill by component, and the hints.
func printCost(a *App, r costResult) {
	a.printf("%s in %s, month %d, list prices of %s in USD\n", r.Environment, r.Region, r.Month, r.PricesDate)
	switch {
	case r.Load != nil:
		a.printf("traffic: %s events per second of %d bytes, %s per request, %s queries per second\n\n",
			number(r.Load.EventsPerSecond), r.Load.EventBytes, plural(r.Load.Batch, "event", "events"), number(r.Load.QueriesPerSecond))
	case r.Measured != nil:
		a.printf("traffic: %s events, %s requests in the last %.0f hours of %s\n\n", number(r.Measured.Events), number(r.Measured.Requests), r.Measured.Hours, ui.Line(r.Measured.Stack))
	}
	wide := 0
	for _, i := range r.Items {
		wide = max(wide, ui.Width(i.Item))
	}
	component := ""
	for _, i := range r.Items {
		name := ""
		if i.Component != component {
			component, name = i.Component, i.Component
		}
		a.printf("%s  %s  %10.2f  %s × %s per %s\n", ui.Pad(name, 13), ui.Pad(i.Item, wide), i.MonthUSD, number(i.Quantity), number(i.PriceUSD), ui.Line(i.Unit))
	}
	a.printf("%s  %s  %10.2f\n", ui.Pad("Total", 13), ui.Pad("per month", wide), r.MonthUSD)
	if r.MillionEventsUSD != nil {
		a.printf("%s  %s  %10.2f\n", ui.Pad("", 13), ui.Pad("per million events", wide), *r.MillionEventsUSD)
	}
	a.printf("\nLargest part: %s, %.0f %%\n", r.Dominant.Component, 100*r.Dominant.Share)
	for _, h := range r.Hints {
		if h.SavesUSD > 0 {
			a.printf("saves %.2f per month: %s\n", h.SavesUSD, h.Change)
		} else {
			a.printf("%s\n", h.Change)
		}
	}
}

// number writes a number with four significant digits, and without an exponent.
func number(x float64) string {
	if x == 0 {
		return "0"
	}
	digits := max(0, 3-int(math.Floor(math.Log10(math.Abs(x)))))
	text := fmt.Sprintf("%.*f", digits, x)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
