package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/dashboard/awsstack"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/tail"
)

type dashboardOptions struct {
	port int
	open bool
}

func newDashboardCmd(a *App) *cobra.Command {
	var o dashboardOptions
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Show the stack's events, users and metrics, live, in a browser.",
		Long: `Serve a page on this machine that shows a deployed stack's events, users, metrics
and health, live, and answers questions about users, until Ctrl-C. It listens on 127.0.0.1 only and signs the page's
requests with your AWS credentials, which need the policy in the output
ReadMetricsPolicyArn, and cloudwatch:GetMetricData. The newest events need the policy in
the output SqlPolicyArn, and rejected events logs:FilterLogEvents on ingest's log group;
without them, the page shows the rest.

Costs of an open page at list prices of us-east-1: about 1.5 API requests per second,
2 cents per hour including Lambda, and CloudWatch data of ` + strconv.Itoa(awsstack.Metrics()) + ` metrics
every ` + strconv.Itoa(int(awsstack.Kept.Seconds())) + ` seconds, 1.2 cents per hour. A hidden page sends a tenth of these requests.
The tab with events, while it is visible, also reads the newest events and counts live
users, 960 invocations of the query function and less than 0.2 cents per hour, and
searches ingest's log for rejected events 240 times per hour, which is free. The overview
reads alerts 120 times per hour. A question is one request.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDashboard(cmd.Context(), a, o) },
	}
	cmd.Flags().IntVar(&o.port, "port", 8080, "port to listen on, 0 to 65535; 0 takes a free one")
	cmd.Flags().BoolVar(&o.open, "open", false, "open the page in the browser")
	return cmd
}

func runDashboard(ctx context.Context, a *App, o dashboardOptions) error {
	if o.port < 0 || o.port > 65535 {
		return &usageError{err: fmt.Errorf("--port %d: want 0 to 65535", o.port)}
	}
	v, op, found, err := a.loginToStack(ctx)
	if err != nil {
		return err
	}
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return err
	}
	client, err := stackClient(cfg, found)
	if err != nil {
		return err
	}
	if err := tryAPI(ctx, a, client, found.Outputs["ReadMetricsPolicyArn"]); err != nil {
		return err
	}
	health := &awsstack.Health{API: cloudwatch.NewFromConfig(cfg), Stack: found.Name,
		Processor: found.Outputs["ProcessorFunctionName"], Archiver: found.Outputs["ArchiverFunctionName"]}
	events := newStackEvents(a, op, found)
	defer events.end(ctx)
	rejected := tail.RecentRejections{Read: newStackLog(a, op, found.Name, rejectedFilter, time.Now().Add(-tail.RejectedAge), []string{contract.FuncIngest}).Read}
	return serveDashboard(ctx, a, o, dashboard.New(dashboard.Options{
		API: client, Health: health.Get, Events: events.get, Rejected: rejected.Get, Hint: hint, About: aboutStack(v, found, client.Endpoint, cfg.Region),
	}))
}

func aboutStack(v config.Variables, found stack.Stack, endpoint, region string) dashboard.About {
	var snippets []dashboard.Snippet
	if len(v.WriteKeys) > 0 {
		snippets = dashboard.Snippets(endpoint, "WRITE_KEY") // only hashes are known
	}
	return dashboard.About{
		Title: found.Name, Environment: v.Environment, Endpoint: endpoint, Region: region, Snippets: snippets,
		Send:    "streamctl send --env " + v.Environment + ` --user user123 --type page_view --properties '{"page": "/dashboard"}'`,
		Metrics: dashboard.Metrics(v.Metrics), Version: programVersion(),
	}
}

// tryAPI sends one request, so that a missing permission is reported here and not on the page.
func tryAPI(ctx context.Context, a *App, client *api.Client, policy string) error {
	resp, err := client.Get(ctx, api.MetricPath(api.MetricSummary, nil), http.Header{})
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return &readDeniedError{client.Endpoint, policy}
	case resp.StatusCode >= http.StatusBadRequest:
		a.notef("the API returned %s; the page retries", resp.Status)
	}
	return nil
}

// serveDashboard serves until ctx ends.
func serveDashboard(ctx context.Context, a *App, o dashboardOptions, page http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return &usageError{err: fmt.Errorf("port %d is taken", o.port), hint: "name another with --port, or --port 0 for a free one"}
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	url := "http://" + listener.Addr().String()
	if err := a.printResult(served{url}, func() { a.printf("%s\n", url) }); err != nil {
		return errors.Join(err, listener.Close())
	}
	a.notef("Ctrl-C ends the dashboard.")
	if o.open {
		if err := openBrowser(ctx, url); err != nil {
			a.notef("no browser opened (%v): open %s yourself", err, url)
		}
	}
	server := &http.Server{
		Handler: page, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }, // open requests end with it
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve dashboard: %w", err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(wait); err != nil {
		return fmt.Errorf("end dashboard: %w", err)
	}
	return nil
}

// served is the result of dashboard.
type served struct {
	URL string `json:"url"`
}

// openBrowser asks the desktop to show a page.
func openBrowser(ctx context.Context, url string) error {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	return exec.CommandContext(ctx, program, url).Run()
}

// noStackError reports that the dashboard's stack does not exist.
type noStackError struct{ err error }

func (e *noStackError) Error() string { return e.err.Error() }
func (e *noStackError) Unwrap() error { return e.err }

// Hint implements the command line's hints.
func (e *noStackError) Hint() string {
	return "`streamctl deploy` creates it; --env, --stack-name and --region choose another"
}

// noEndpointError reports that a stack has no API yet.
type noEndpointError struct {
	stack  string
	status stack.Status
}

func (e *noEndpointError) Error() string {
	return fmt.Sprintf("stack %s has no output ApiEndpoint; its status is %s", e.stack, e.status)
}

// Hint implements the command line's hints.
func (e *noEndpointError) Hint() string { return "`streamctl deploy` finishes or updates the stack" }

// readDeniedError reports that the API rejects queries with these credentials.
type readDeniedError struct{ endpoint, policy string }

func (e *readDeniedError) Error() string {
	return "read metrics of " + e.endpoint + ": 403, not allowed"
}

// Class implements failure.Classified.
func (e *readDeniedError) Class() failure.Class { return failure.Credentials }

// Hint implements the command line's hints.
func (e *readDeniedError) Hint() string {
	if e.policy == "" {
		return "these credentials need execute-api:Invoke on GET /metrics/*"
	}
	return "attach the policy " + e.policy + " to the user or role of these credentials"
}
