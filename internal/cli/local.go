package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/local"
)

// databaseURLVariable is an environment variable, because a flag's password would be
// visible in the process list.
const databaseURLVariable = "STREAMCTL_LOCAL_DATABASE_URL"

type localOptions struct {
	host                string
	port, dashboardPort int
	databasePort        int
	dataDir             string
	dataDirGiven        bool // also if it is empty
	reset, ephemeral    bool
	acceptDamage        bool
	auth                string
	databaseURL         string
	redisURL            string
	fault               string
	watch               bool
	source              string
	alertWebhook        string
}

func newLocalCmd(a *App) *cobra.Command {
	var o localOptions
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run the whole platform on this machine, with a dashboard.",
		Long: `local runs the deployed functions on this machine, without an AWS account: an HTTP
gateway with the deployed routes and limits, a durable stream, the event source
mappings with the settings of the variables file (development's unless --env is
given), real PostgreSQL and Redis servers, and a folder as the archive.

Ctrl-C rejects new events, waits until accepted ones are loaded and archived, and
stops everything that it started. A second Ctrl-C stops immediately; accepted events
stay in the stream, and the next start loads them.`,
		Example: `  streamctl local
  streamctl send --url http://127.0.0.1:8080 --rate 100 --for 30s
  streamctl local --ephemeral --fault throttle=0.3,pg-down=10s`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.dataDirGiven = cmd.Flags().Changed("data-dir")
			if o.watch {
				return runWatch(cmd, a, o)
			}
			return runLocal(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "address that the API listens on; one that others can reach needs --auth iam")
	f.IntVar(&o.port, "port", 8080, "port of the API; 0 selects a free one")
	f.IntVar(&o.dashboardPort, "dashboard-port", 8081, "port of the dashboard, on 127.0.0.1; 0 selects a free one")
	f.IntVar(&o.databasePort, "database-port", 0, "port of PostgreSQL, on 127.0.0.1; 0 selects that of the last start, or a free one")
	f.StringVar(&o.dataDir, "data-dir", "", "folder for all data (default: .streamctl/local beside the variables file)")
	f.BoolVar(&o.reset, "reset", false, "start over: delete the platform's files in the data folder; other files stay")
	f.BoolVar(&o.acceptDamage, "accept-damage", false, "start on a damaged event stream without the records that can't be read; a file in the data folder lists them")
	f.BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing: use a data folder that is removed at the end")
	f.StringVar(&o.auth, "auth", "open", "open, or iam: every call of the API needs an AWS signature with the printed test keys")
	f.StringVar(&o.databaseURL, "database-url", "", "URL of a PostgreSQL to use instead of starting one, as a superuser (also: "+databaseURLVariable+")")
	f.StringVar(&o.redisURL, "redis-url", "", "URL of a Redis to use instead of starting one")
	f.StringVar(&o.fault, "fault", "", "failures to inject: throttle=0.3,duplicate=0.1 (shares of all records), pg-down=10s,redis-down=10s (repeatedly)")
	f.StringVar(&o.alertWebhook, "alert-webhook", "", "URL on this machine that gets a POST request for each alert that fires or clears")
	f.BoolVar(&o.watch, "watch", false, "build the functions from source, and rebuild when they or the variables change")
	f.StringVar(&o.source, "source", ".", "with --watch: the checkout, or a folder in it")
	return cmd
}

// check rejects an invalid command line.
func (o localOptions) check() error {
	if o.auth != "open" && o.auth != "iam" {
		return &usageError{err: fmt.Errorf("--auth %q: want open or iam", o.auth)}
	}
	ip := net.ParseIP(o.host)
	if o.auth != "iam" && o.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &usageError{err: fmt.Errorf("--host %s: others could send and read without a key", o.host), hint: "add --auth iam, or listen on 127.0.0.1"}
	}
	for flag, port := range map[string]int{"--port": o.port, "--dashboard-port": o.dashboardPort, "--database-port": o.databasePort} {
		if port < 0 || port > 65535 {
			return &usageError{err: fmt.Errorf("%s %d: outside 0..65535", flag, port)}
		}
	}
	if o.alertWebhook != "" {
		if err := local.CheckWebhook(o.alertWebhook); err != nil {
			return &usageError{err: fmt.Errorf("--alert-webhook %w", err)}
		}
	}
	if o.dataDir == "" && o.dataDirGiven {
		return &usageError{err: errors.New("--data-dir: empty"), hint: "name a folder, or leave --data-dir out"}
	}
	if o.ephemeral && (o.reset || o.dataDir != "") {
		return &usageError{err: errors.New("--ephemeral keeps nothing: leave out --reset and --data-dir")}
	}
	return nil
}

// localVariables reads the variables file for the environment, which is development
// unless --env is given. Without a file it returns the defaults.
func localVariables(ctx context.Context, a *App) (config.Variables, error) {
	environment := cmp.Or(a.flags.environment, config.Development)
	v, err := loadFor(ctx, a, environment)
	if errors.Is(err, fs.ErrNotExist) && a.flags.variables == defaultVariables {
		a.variables = []byte{} // an empty file selects the defaults, with the same checks
		return loadFor(ctx, a, environment)
	}
	return v, err
}

// localInfo is the result of local.
type localInfo struct {
	local.Info
	DataDir string  `json:"dataDir"`
	Seconds float64 `json:"startSeconds"`
}

func runLocal(ctx context.Context, a *App, o localOptions) (err error) {
	began := time.Now()
	if err := o.check(); err != nil {
		return err
	}
	v, err := localVariables(ctx, a)
	if err != nil {
		return err
	}
	faults, err := local.ParseFaults(o.fault)
	if err != nil {
		return &usageError{err: err}
	}
	screen := newScreen(a)
	po := local.Options{
		Variables: v, Ephemeral: o.ephemeral, IAM: o.auth == "iam",
		Addr: net.JoinHostPort(o.host, strconv.Itoa(o.port)), DashboardAddr: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.dashboardPort)),
		DatabaseURL: o.databaseURL, RedisURL: o.redisURL, DatabasePort: o.databasePort,
		Faults: faults, AcceptDamage: o.acceptDamage, AlertWebhook: o.alertWebhook, Version: programVersion(), Log: slog.New(screen.handler()),
	}
	if po.DatabaseURL == "" {
		po.DatabaseURL = a.Getenv(databaseURLVariable)
	}
	if outage := faults.PostgresDown > 0 && po.DatabaseURL != "" || faults.RedisDown > 0 && po.RedisURL != ""; outage {
		return &usageError{err: errors.New("--fault: only servers that local starts itself can be taken down"), hint: "leave --database-url and --redis-url out"}
	}
	if po.Dir, err = localDir(a, o); err != nil {
		return err
	}
	if o.ephemeral {
		defer func() { err = errors.Join(err, os.RemoveAll(po.Dir)) }()
	}
	p, err := local.Start(ctx, po)
	if err != nil {
		return err
	}
	if err := showLocal(a, p.Info(), o, po.Dir, time.Since(began)); err != nil {
		return errors.Join(err, stopLocal(ctx, a, p))
	}
	screen.begin(ctx, p)
	select {
	case <-ctx.Done():
	case err = <-p.Failed():
	}
	screen.end()
	return errors.Join(err, stopLocal(ctx, a, p))
}

// localDir returns the data folder; --reset empties it.
func localDir(a *App, o localOptions) (string, error) {
	if o.ephemeral {
		dir, err := os.MkdirTemp("", "streamctl-local-")
		if err != nil {
			return "", fmt.Errorf("create a data folder: %w", err)
		}
		return dir, nil
	}
	dir := o.dataDir
	if dir == "" {
		dir = filepath.Join(filepath.Dir(a.flags.variables), ".streamctl", "local")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the data folder: %w", err)
	}
	if o.reset {
		left, err := local.Reset(dir)
		if len(left) > 0 {
			a.notef("reset: left in %s, because they are not streamctl's: %s", dir, strings.Join(left, ", "))
		}
		return dir, err
	}
	return dir, nil
}

// drainTime bounds the wait for accepted events. They stay in the stream, so none is
// lost.
const drainTime = 2 * time.Minute

// stopLocal ends the platform in order, or immediately at a second interrupt.
func stopLocal(ctx context.Context, a *App, p *local.Platform) error {
	again, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	again, cancel := context.WithTimeout(again, drainTime)
	defer cancel()
	if s := p.Status(); s.Loading.Unread+s.Archiving.Unread > 0 {
		a.notef("stopping: %d records to load, %d to archive first (Ctrl-C again ends immediately)", s.Loading.Unread, s.Archiving.Unread)
	}
	if err := p.Stop(again); err != nil {
		return err
	}
	a.notef("stopped")
	return nil
}

// showLocal prints the addresses of everything.
func showLocal(a *App, info local.Info, o localOptions, dir string, took time.Duration) error {
	err := a.printResult(localInfo{Info: info, DataDir: dir, Seconds: took.Seconds()}, func() {
		database, cache := info.Psql, info.RedisCLI
		if database == "" {
			database = withoutPassword(info.Database)
		}
		switch {
		case info.RedisInMemory:
			cache += "  # in this process: neither valkey-server nor redis-server is installed"
		case cache == "":
			cache = withoutPassword(info.Redis)
		default:
			cache += "  # " + info.RedisServer
		}
		a.printf("Dashboard   %s\n", info.Dashboard)
		a.printf("API         %s/events, %s/metrics/summary\n", info.API, info.API)
		a.printf("Write key   %s  # for apps and pages of this machine: docs/clients.md\n", info.WriteKey)
		a.printf("PostgreSQL  %s\n", database)
		a.printf("Redis       %s\n", cache)
		a.printf("Archive     %s\n", info.Archive)
		signing := ""
		if o.auth == "iam" {
			a.printf("\nexport AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s\n", info.AccessKeyID, info.SecretAccessKey, info.Region)
			signing = ` --aws-sigv4 aws:amz:` + info.Region + `:execute-api --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"`
		}
		a.printf("\ncurl -X POST %s/events%s -d '{\"userId\": \"user123\", \"eventType\": \"page_view\", \"properties\": {\"page\": \"/dashboard\"}}'\n", info.API, signing)
	})
	if err == nil {
		a.notef("ready in %.1f s; Ctrl-C stops", took.Seconds())
	}
	return err
}

// withoutPassword is a given server's URL for the terminal.
func withoutPassword(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "as given"
	}
	return u.Redacted()
}
