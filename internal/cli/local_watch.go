package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/pause"
)

// watchPause is how often the source is looked at.
const watchPause = 500 * time.Millisecond

// watcher runs the platform as a child, built from source, and replaces it when
// the source has changed. One that doesn't build changes nothing.
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
	dir, err := a.localDir(o)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "streamctl-watch-")
	if err != nil {
		return fmt.Errorf("make a folder for the build: %w", err)
	}
	w := &watcher{app: a, root: root, program: filepath.Join(scratch, "streamctl")}
	ctx := cmd.Context()
	if o.databasePort == 0 { // the same after each build
		if o.databasePort, err = daemon.FreePort(ctx); err != nil {
			return err
		}
	}
	w.args = append(childFlags(cmd), "--data-dir", dir, "--database-port", strconv.Itoa(o.databasePort))
	err = errors.Join(w.run(ctx), os.RemoveAll(scratch))
	if o.ephemeral {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// childFlags are the flags as given, but those that this process sees to.
func childFlags(cmd *cobra.Command) []string {
	own := []string{"watch", "source", "reset", "ephemeral", "data-dir", "database-port"}
	args := []string{"local"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(own, f.Name) {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	return args
}

func (w *watcher) run(ctx context.Context) error {
	print, err := w.fingerprint()
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
		for {
			next, err := w.changed(ctx, child, print)
			if err != nil || next == 0 {
				return err
			}
			print = next
			w.app.notef("the source has changed: building")
			if err := w.build(ctx); err != nil {
				w.app.notef("%v\nwhat was built before goes on", err)
				continue
			}
			break
		}
		if err := child.stop(); err != nil {
			return err
		}
	}
}

// changed waits until the source is another, which it gives; 0 is the child's
// end.
func (w *watcher) changed(ctx context.Context, c *child, print uint64) (uint64, error) {
	for {
		select {
		case <-c.done:
			return 0, c.err
		case <-ctx.Done():
			<-c.done // it was interrupted too, and drains
			return 0, c.err
		default:
		}
		if err := pause.For(ctx, watchPause); err != nil {
			continue
		}
		next, err := w.fingerprint()
		if err != nil {
			return 0, err
		}
		if next != print {
			return next, nil
		}
	}
}

// fingerprint changes with every file that a build or the platform reads.
func (w *watcher) fingerprint() (uint64, error) {
	h := fnv.New64a()
	note := func(path string) error {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
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
			if err != nil || entry.IsDir() {
				return err
			}
			return note(path)
		})
		if err != nil {
			return 0, fmt.Errorf("look at the source: %w", err)
		}
	}
	err := errors.Join(note(filepath.Join(w.root, "go.mod")), note(w.app.flags.variables))
	return h.Sum64() | 1, err // never 0
}

func (w *watcher) build(ctx context.Context) error {
	next := w.program + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", next, "./cmd/streamctl")
	cmd.Dir, cmd.Env = w.root, w.app.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build from %s: %w\n%s", w.root, err, out)
	}
	return os.Rename(next, w.program)
}

// child is a platform in a process of its own.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func (w *watcher) start() (*child, error) {
	cmd := exec.Command(w.program, w.args...) //nolint:noctx // it drains when it is interrupted; a context would kill it
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = w.app.Stdin, w.app.Stdout, w.app.Stderr, w.app.Environ()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start what was built: %w", err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// stop ends the child in order, and waits.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop what was built before: %w", err)
	}
	<-c.done
	return nil
}
