// Command demo runs a stack's whole life on this machine with the real program:
// package, deploy, outputs, an event, where it went, destroy. It says what it
// does and leaves nothing running.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/suites/platform"
)

// environment is what the demo deploys.
const environment = "development"

// password is the demo database's, which lives for a minute on this machine.
const password = "demo-Password-123"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is a demonstration under way.
type demo struct {
	out      io.Writer
	platform *platform.Platform
	dir      string
	began    time.Time
}

func run(ctx context.Context, out io.Writer) (err error) {
	d := &demo{out: out, began: time.Now()}
	if d.dir, err = os.MkdirTemp("", "streamctl-demo-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := os.Chmod(d.dir, 0o755); err != nil { // PostgreSQL runs as another user
		return fmt.Errorf("make a folder: %w", err)
	}
	d.say("Starting a stand-in for AWS on 127.0.0.1, with a real PostgreSQL and Redis behind it (docs/awsfake.md).")
	if d.platform, err = platform.Start(ctx, platform.Options{Dir: d.dir}); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, d.platform.Stop(stop))
		if err == nil {
			d.say("Everything is stopped; nothing is left on this machine. %.0f s in all.", time.Since(d.began).Seconds())
		}
	}()
	return d.life(ctx)
}

// life is the stack's, from its code to its end.
func (d *demo) life(ctx context.Context) error {
	if err := d.copyVariables(); err != nil {
		return err
	}
	d.say("Building the six functions for Lambda and uploading their code.")
	if _, err := d.streamctl(ctx, "package", "--source", d.platform.Root); err != nil {
		return err
	}
	d.say("Creating the stack. On AWS that takes many minutes, most of them for RDS; here it takes seconds.")
	if _, err := d.streamctl(ctx, "deploy", "--source", d.platform.Root); err != nil {
		return err
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	d.say("Taking it down again, archive and all.")
	_, err := d.streamctl(ctx, "destroy", "--yes")
	return err
}

// copyVariables puts the shipped variables file where the demo works, so that
// the checkout isn't touched.
func (d *demo) copyVariables() error {
	text, err := os.ReadFile(filepath.Join(d.platform.Root, "variables.yaml"))
	if err != nil {
		return fmt.Errorf("read variables: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "variables.yaml"), text, 0o644); err != nil {
		return fmt.Errorf("write variables: %w", err)
	}
	return nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "\n# "+format+"\n", args...) }

// streamctl runs the program as a person would type it, and shows that.
func (d *demo) streamctl(ctx context.Context, args ...string) (answer string, err error) {
	args = append(args, "--env", environment)
	shown := strings.Join(args, " ")
	shown = strings.ReplaceAll(shown, " --source "+d.platform.Root, "")
	fmt.Fprintf(d.out, "$ streamctl %s\n", shown)
	cmd := exec.CommandContext(ctx, d.platform.Streamctl, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = d.dir
	cmd.Env = append(d.platform.Environment(), "STREAMCTL_DATABASE_PASSWORD="+password)
	var buffer strings.Builder
	cmd.Stdout, cmd.Stderr = io.MultiWriter(d.out, &buffer), d.out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("streamctl %s: %w", shown, err)
	}
	return buffer.String(), nil
}
