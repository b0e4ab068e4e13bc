package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/pause"
)

// watchPause is the interval at which the source is checked.
const watchPause = 500 * time.Millisecond

// watcher runs the platform as a child process, built from source, and replaces it when
// the source has changed. A change that doesn't compile leaves the running child alone.
type watcher struct {
	app     *App
	root    string // of the checkout
	program string
	args    []string
}

// runWatch is local --watch.
func runWatch(cmd *cobra.Command, a *App, o localOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	root, err := artifact.FindSource(o.source)
	if err != nil {
		return err
	}
	dir, err := localDir(a, o)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "streamctl-watch-")
	if err != nil {
		return fmt.Errorf("create a folder for the build: %w", err)
	}
	w := &watcher{app: a, root: root, program: filepath.Join(scratch, "streamctl")}
	ctx := cmd.Context()
	w.args = append(childFlags(cmd), "--data-dir", dir) // the data folder keeps the stores' ports
	err = errors.Join(w.run(ctx), os.RemoveAll(scratch))
	if o.ephemeral {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// childFlags returns the given flags without those that the parent handles.
func childFlags(cmd *cobra.Command) []string {
	own := []string{"watch", "source", "reset", "ephemeral", "data-dir"}
	args := []string{"local"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(own, f.Name) {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	return args
}

func (w *watcher) run(ctx context.Context) error {
	seen, err := w.fingerprint()
	if err != nil {
		return err
	}
	if err := w.build(ctx); err != nil {
		return err
	}
	for {
		child, err := w.start()
		if err != nil {
			return err
		}
		seen, err = w.follow(ctx, child, seen)
		if err != nil {
			return errors.Join(err, w.end(ctx, child))
		}
		if seen == 0 { // the child ended without a signal from this process
			return child.Err()
		}
		if err := w.end(ctx, child); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// follow returns when the child must end: the source differs from seen and was built,
// or ctx has ended. It returns 0 if the child has ended.
func (w *watcher) follow(ctx context.Context, child *daemon.Process, seen uint64) (uint64, error) {
	for {
		select {
		case <-child.Done():
			return 0, nil
		default:
		}
		if pause.For(ctx, watchPause) != nil {
			return seen, nil
		}
		now, err := w.fingerprint()
		switch {
		case err != nil:
			return seen, err
		case now == seen:
			continue
		}
		seen = now
		w.app.notef("the source has changed: rebuilding")
		if err := w.build(ctx); err != nil {
			w.app.notef("%v\nthe previous build keeps running", err)
			continue
		}
		return seen, nil
	}
}

// fingerprint changes with every file that a build or the platform reads.
func (w *watcher) fingerprint() (uint64, error) {
	h := fnv.New64a()
	note := func(path string) error {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // removed in the meantime
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		return nil
	}
	for _, dir := range []string{"cmd", "functions", "internal", "templates"} {
		err := filepath.WalkDir(filepath.Join(w.root, dir), func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // removed in the meantime
				return nil
			}
			if err != nil || entry.IsDir() {
				return err
			}
			return note(path)
		})
		if err != nil {
			return 0, fmt.Errorf("read the source: %w", err)
		}
	}
	err := errors.Join(note(filepath.Join(w.root, "go.mod")), note(w.app.flags.variables))
	return h.Sum64() | 1, err // never 0
}

func (w *watcher) build(ctx context.Context) error {
	next := w.program + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", next, "./cmd/streamctl")
	cmd.Dir, cmd.Env = w.root, w.app.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build from %s: %w\n%s", w.root, err, out)
	}
	return os.Rename(next, w.program)
}

// start starts the build in a process group that the terminal's Ctrl-C does not reach:
// this process forwards it.
func (w *watcher) start() (*daemon.Process, error) {
	return daemon.Start(daemon.Spec{
		Path: w.program, Args: w.args, Env: w.app.Environ(), Out: w.app.Stdout, Log: w.app.Stderr, Orphaned: syscall.SIGINT,
	})
}

// end stops the child gracefully. A second interrupt is forwarded too and stops it
// immediately.
func (w *watcher) end(ctx context.Context, child *daemon.Process) error {
	again, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := child.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-child.Done():
		return child.Err()
	case <-again.Done():
	}
	if err := child.Signal(os.Interrupt); err != nil {
		return err
	}
	<-child.Done()
	return child.Err()
}
