// Command demo runs a stack's whole lifecycle on this machine with the real
// program: package, deploy, outputs, an event and its way through the stores,
// destroy. It prints its steps and leaves nothing running.
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

// environment is the environment that the demo deploys.
const environment = "development"

// password is the password of the demo database, which exists for a minute on
// this machine.
const password = "demo-Password-123"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is a running demonstration.
type demo struct {
	out      io.Writer
	platform *platform.Platform
	dir      string
	began    time.Time
}

func run(ctx context.Context, out io.Writer) (err error) {
	d := &demo{out: out, began: time.Now()}
	if d.dir, err = os.MkdirTemp("", "streamctl-demo-"); err != nil {
		return fmt.Errorf("create a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := os.Chmod(d.dir, 0o755); err != nil { // PostgreSQL runs as another user
		return fmt.Errorf("create a folder: %w", err)
	}
	d.say("Starting an AWS stand-in on 127.0.0.1 with a real PostgreSQL and Redis (docs/awsfake.md)")
	if d.platform, err = platform.Start(ctx, platform.Options{Dir: d.dir}); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, d.platform.Stop(stop))
		if err == nil {
			d.say("Stopped everything after %.0f s. Nothing remains on this machine.", time.Since(d.began).Seconds())
		}
	}()
	return d.life(ctx)
}

// life runs the stack's lifecycle.
func (d *demo) life(ctx context.Context) error {
	if err := d.copyVariables(); err != nil {
		return err
	}
	d.say("Building the six functions for Lambda and uploading their code")
	if _, err := d.streamctl(ctx, "package", "--source", d.platform.Root); err != nil {
		return err
	}
	d.say("Creating the stack. On AWS this takes many minutes, mainly for RDS; here it takes seconds")
	if _, err := d.streamctl(ctx, "deploy", "--source", d.platform.Root); err != nil {
		return err
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	d.say("Deleting the stack, including the archive")
	_, err := d.streamctl(ctx, "destroy", "--yes")
	return err
}

// copyVariables copies the released variables file to the demo's folder, so
// that the checkout stays unchanged.
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

// streamctl runs the program and prints the command as a user would type it.
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
