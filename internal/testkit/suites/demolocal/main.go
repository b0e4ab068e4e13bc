// Command demolocal shows the platform on this machine: it runs it with generated
// traffic, compiles the command line meanwhile, and then sends and queries with that. On a
// terminal it runs until Ctrl-C; otherwise it ends. It keeps no data.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/send"
	"github.com/streamctl/streamctl/internal/traffic"
)

const (
	// patience is how long to wait for the first event on the dashboard.
	patience = 60 * time.Second
	// drainTime bounds the wait for accepted events at the end.
	drainTime = 2 * time.Minute
	variables = "testdata/variables/shop.yaml"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{out: os.Stdout, log: os.Stderr, program: filepath.Join("bin", "demo-streamctl"), compiler: cmp.Or(os.Getenv("GO"), "go"), stay: term.IsTerminal(int(os.Stdout.Fd())), began: began()}
	if err := d.run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// began returns when the caller began, from DEMO_BEGAN in Unix seconds, or the
// current time.
func began() time.Time {
	var seconds int64
	if _, err := fmt.Sscan(os.Getenv("DEMO_BEGAN"), &seconds); err != nil {
		return time.Now()
	}
	return time.Unix(seconds, 0)
}

type demo struct {
	out, log          io.Writer
	program, compiler string
	stay              bool
	began             time.Time
	where             local.Info
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "\n# "+format+"\n", args...) }

func (d *demo) run(ctx context.Context) (err error) {
	d.say("Starting the whole platform on 127.0.0.1: the deployed functions, a stream, PostgreSQL, Redis and an archive")
	fmt.Fprintf(d.out, "$ streamctl local --ephemeral --variables %s\n", variables)
	platform, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end(ctx, platform)) }()
	fmt.Fprintf(d.out, "Dashboard  %s\nAPI        %s\n", d.where.Dashboard, d.where.API)
	if err := d.compile(ctx); err != nil {
		return err
	}
	d.say("Sending events of a shop's users")
	if err := d.streamctl(ctx, "send", "--url", d.where.API, "--rate", "200", "--for", "8s", "--seed", "1", "--verify"); err != nil {
		return err
	}
	for _, args := range [][]string{{"query", "summary"}, {"query", "events"}, {"query", "revenue"}} {
		if err := d.streamctl(ctx, append(args, "--url", d.where.API)...); err != nil {
			return err
		}
	}
	if !d.stay {
		d.say("Done. On a terminal the platform would run until Ctrl-C. Stopping everything and deleting the data.")
		return nil
	}
	d.say("Open %s to watch the traffic, which continues until Ctrl-C.", d.where.Dashboard)
	return d.streamctl(ctx, "send", "--url", d.where.API, "--rate", "50", "--for", "24h", "--rejects", os.DevNull)
}

// start starts the platform. Its errors go to the log.
func (d *demo) start(ctx context.Context) (*local.Platform, error) {
	file, err := os.Open(variables)
	if err != nil {
		return nil, fmt.Errorf("open the demo's variables: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	v, err := config.Load(file, variables, config.Development)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "streamctl-demo-")
	if err != nil {
		return nil, fmt.Errorf("create a data folder: %w", err)
	}
	log := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelError}))
	platform, err := local.Start(ctx, local.Options{Variables: v, Dir: dir, Ephemeral: true, Addr: "127.0.0.1:0", DashboardAddr: "127.0.0.1:0", Version: "(demo)", Log: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the platform: %w", err), os.RemoveAll(dir))
	}
	d.where = platform.Info()
	return platform, nil
}

// end stops the platform after it has loaded and archived what it accepted.
func (d *demo) end(ctx context.Context, platform *local.Platform) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := platform.Stop(ctx); err != nil {
		return fmt.Errorf("stop the platform: %w", err)
	}
	return nil
}

// compile compiles the command line while the platform receives events.
func (d *demo) compile(ctx context.Context) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	website, err := newSite(d.where.API, d.where.WriteKey)
	if err != nil {
		return err
	}
	sent := make(chan error, 2)
	go func() { sent <- d.trickle(sending) }()
	go func() { sent <- website.run(sending) }()
	if err := d.firstEvent(ctx); err != nil {
		return err
	}
	d.say("Compiling the command line; meanwhile a few events per second arrive, from a server and from a website (examples/web)")
	build := exec.CommandContext(ctx, d.compiler, "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", d.program, "./cmd/streamctl")
	build.Stdout, build.Stderr = d.log, d.log
	err = build.Run()
	stop()
	return errors.Join(err, <-sent, <-sent)
}

// trickle sends a few events per second until ctx ends.
func (d *demo) trickle(ctx context.Context) error {
	source, err := traffic.New(traffic.Options{Profile: "shop", Users: 100, Seed: 2})
	if err != nil {
		return fmt.Errorf("generate events: %w", err)
	}
	client := &api.Client{Endpoint: d.where.API, HTTP: http.DefaultClient}
	if _, err := send.Run(ctx, source, send.Options{Client: client, Batch: 20, Linger: 100 * time.Millisecond, Concurrency: 1, Rate: 20, RetryFor: patience, Rejects: dropped{}}); err != nil && ctx.Err() == nil {
		return fmt.Errorf("send the first events: %w", err)
	}
	return nil
}

// dropped drops the generated events that an interrupt left unsent.
type dropped struct{}

func (dropped) Bad(_ int, text []byte, reason string) error {
	return fmt.Errorf("the API rejected %s: %s", text, reason)
}
func (dropped) Unsent(send.Item) error { return nil }

// streamctl prints and runs a command of the program; an interrupt ends it.
func (d *demo) streamctl(ctx context.Context, args ...string) error {
	fmt.Fprintf(d.out, "\n$ streamctl %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = d.out, d.log
	return cmd.Run()
}

// firstEvent waits until the dashboard shows an event.
func (d *demo) firstEvent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n, err := d.events(ctx)
		if err == nil && n > 0 {
			d.say("The dashboard showed its first events %.0f s after the command was started.", time.Since(d.began).Seconds())
			return nil
		}
		if waitErr := pause.For(ctx, 50*time.Millisecond); waitErr != nil {
			return fmt.Errorf("wait for the dashboard's first event: %w", errors.Join(waitErr, err))
		}
	}
}

// events returns the number of events that the dashboard receives.
func (d *demo) events(ctx context.Context) (n int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.where.Dashboard+"/metrics/summary", http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	var body struct{ Events int }
	return body.Events, json.NewDecoder(resp.Body).Decode(&body)
}
