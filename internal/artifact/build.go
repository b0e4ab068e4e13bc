package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Module is the module that contains functions/. A checkout keeps this name, so that a
// team can change the functions and deploy them.
const Module = "github.com/streamctl/streamctl"

// ErrNoSource reports that neither a folder nor a parent of it is a checkout.
var ErrNoSource = errors.New("no checkout of " + Module)

// Builder compiles functions from a checkout.
type Builder struct {
	// Root is the checkout's folder, the one with go.mod.
	Root string
	// Arch is the GOARCH to build for: arm64 for Lambda.
	Arch string
	// OS is the GOOS to build for: linux for Lambda.
	OS string
	// Environ is the environment of the go command, in the form of os.Environ.
	// Variables that decide a program's bytes are overridden.
	Environ []string
	// Cache is a folder that keeps builds, so that the same source is built once: a
	// build is reproducible. Empty disables it. Several builds may use it at the same
	// time.
	Cache string
	// Warn receives the reason why a build isn't cached; nil drops it.
	Warn func(error)
}

// FindSource finds a checkout in dir or a parent. Without one it returns ErrNoSource.
func FindSource(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find source: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(strings.TrimSpace(string(text)), "module "+Module+"\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find source: %w", err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoSource
		}
		dir = parent
	}
}

// Build compiles and packs functions, or returns them from the cache; built reports
// which. The result is in the order of the names. A cache that can't be read or written
// is not an error.
func (b Builder) Build(ctx context.Context, functions []string) (artifacts []Artifact, built bool, err error) {
	source, cached := "", false
	if b.Cache != "" {
		b.removeLeftovers()
		if source, cached, err = b.source(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, false, err
			}
			b.warn(err)
		}
	}
	if cached {
		if artifacts, err = b.cached(source, functions); err == nil {
			return artifacts, false, nil
		}
	}
	if artifacts, err = b.compileAll(ctx, functions); err != nil {
		return nil, true, err
	}
	if cached {
		if err := b.keep(source, artifacts); err != nil {
			b.warn(err)
		}
	}
	return artifacts, true, nil
}

func (b Builder) warn(err error) {
	if b.Warn != nil {
		b.Warn(fmt.Errorf("the build isn't cached: %w", err))
	}
}

// compileAll compiles and packs as many functions in parallel as there are CPUs.
func (b Builder) compileAll(ctx context.Context, functions []string) (_ []Artifact, err error) {
	environment, err := b.environment(ctx)
	if err != nil {
		return nil, fmt.Errorf("build functions: %w", err)
	}
	scratch, err := b.scratch()
	if err != nil {
		return nil, fmt.Errorf("build functions: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	out := make([]Artifact, len(functions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, name := range functions {
		group.Go(func() error {
			path := filepath.Join(scratch, name)
			if err := b.compile(ctx, environment, name, path); err != nil {
				return err
			}
			program, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("build %s: %w", name, err)
			}
			archive, err := Pack(program)
			if err != nil {
				return fmt.Errorf("build %s: %w", name, err)
			}
			out[i] = New(name, archive)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}
