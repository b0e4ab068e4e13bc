// Command demolocal shows the platform on this machine with the real program:
// it starts it, sends generated traffic, and queries the metrics. On a terminal
// it runs until Ctrl-C; otherwise it ends. It keeps no data.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/pause"
)

// patience is how long to wait for the first event on the dashboard.
const patience = 60 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{out: os.Stdout, program: filepath.Join("bin", "streamctl"), stay: term.IsTerminal(int(os.Stdout.Fd())), began: began()}
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
	out     io.Writer
	program string
	stay    bool
	began   time.Time
	where   struct{ API, Dashboard string }
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "\n# "+format+"\n", args...) }

func (d *demo) run(ctx context.Context) (err error) {
	d.say("Starting the whole platform on 127.0.0.1: the deployed functions, a stream, PostgreSQL, Redis and an archive")
	platform, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end(platform)) }()
	d.say("Sending events of a shop's users")
	fmt.Fprintf(d.out, "$ streamctl send --url %s --rate 200 --for 8s --seed 1 --verify\n", d.where.API)
	traffic := d.streamctl(ctx, "send", "--url", d.where.API, "--rate", "200", "--for", "8s", "--seed", "1", "--verify")
	if err := traffic.Start(); err != nil {
		return err
	}
	seen := d.firstEvent(ctx)
	if err := errors.Join(seen, traffic.Wait()); err != nil {
		return err
	}
	for _, args := range [][]string{{"query", "summary"}, {"query", "events"}, {"query", "revenue"}} {
		fmt.Fprintf(d.out, "\n$ streamctl %s %s --url %s\n", args[0], args[1], d.where.API)
		if err := d.streamctl(ctx, append(args, "--url", d.where.API)...).Run(); err != nil {
			return err
		}
	}
	if !d.stay {
		d.say("Done. On a terminal the platform would run until Ctrl-C. Stopping everything and deleting the data.")
		return nil
	}
	d.say("Open %s to watch the traffic, which continues until Ctrl-C.", d.where.Dashboard)
	return d.streamctl(ctx, "send", "--url", d.where.API, "--rate", "50", "--for", "24h", "--rejects", os.DevNull).Run()
}

// streamctl returns a command of the program that an interrupt ends.
func (d *demo) streamctl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = d.out, os.Stderr
	return cmd
}

// start starts the platform and waits until it prints its addresses.
func (d *demo) start(ctx context.Context) (*exec.Cmd, error) {
	const variables = "testdata/variables/shop.yaml"
	fmt.Fprintf(d.out, "$ streamctl local --ephemeral --variables %s\n", variables)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), d.program, "local", "--ephemeral", "--port", "0", "--dashboard-port", "0", "--variables", variables, "-o", "json")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // forward Ctrl-C only after the traffic has ended
	answer, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp("", "streamctl-demo-*.log")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(log.Name()); err != nil { // it disappears with the process
		return nil, err
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(answer).Decode(&d.where); err != nil {
		text := make([]byte, 64<<10)
		n, _ := log.ReadAt(text, 0) // as much as is available
		return nil, fmt.Errorf("start the platform: %w\n%s", errors.Join(err, d.end(cmd)), text[:n])
	}
	fmt.Fprintf(d.out, "Dashboard  %s\nAPI        %s\n", d.where.Dashboard, d.where.API)
	return cmd, nil
}

// end interrupts the platform and waits until it has ended.
func (d *demo) end(platform *exec.Cmd) error {
	if err := platform.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := platform.Wait(); err != nil {
		return fmt.Errorf("stop the platform: %w", err)
	}
	return nil
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
