package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Module is the module that holds functions/. A checkout keeps this name, so
// that a team can change the functions and deploy them.
const Module = "github.com/streamctl/streamctl"

// ErrNoSource says that no checkout is at or above a folder.
var ErrNoSource = errors.New("no checkout of " + Module)

// Builder compiles functions from a checkout.
type Builder struct {
	// Root is the checkout's folder, the one with go.mod.
	Root string
	// Arch is the GOARCH to build for: arm64 for Lambda.
	Arch string
	// OS is the GOOS to build for: linux for Lambda.
	OS string
	// Environ is the environment of the go command, as os.Environ gives it;
	// what decides a program's bytes is set over it.
	Environ []string
	// Cache is a folder that keeps builds, so that the same source isn't built
	// twice: a build is reproducible. Empty keeps none.
	Cache string
}

// FindSource looks for a checkout from dir upwards. Without one the error is
// ErrNoSource.
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

// Build compiles and packs functions, or takes them from the cache; built tells
// which. The result is in the order of the names.
func (b Builder) Build(ctx context.Context, functions []string) (artifacts []Artifact, built bool, err error) {
	source, keep := "", false
	if b.Cache != "" {
		if source, keep, err = b.source(); err != nil {
			return nil, false, err
		}
	}
	if keep {
		if artifacts, err = b.cached(source, functions); err == nil {
			return artifacts, false, nil
		}
	}
	if artifacts, err = b.compileAll(ctx, functions); err != nil || !keep {
		return artifacts, true, err
	}
	if err := b.keep(source, artifacts); err != nil {
		return nil, true, fmt.Errorf("keep what was built: %w", err)
	}
	return artifacts, true, nil
}

// compileAll compiles and packs, as many functions at a time as there are CPUs.
func (b Builder) compileAll(ctx context.Context, functions []string) (_ []Artifact, err error) {
	scratch, err := os.MkdirTemp("", "streamctl-build-")
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
			if err := b.Compile(ctx, name, path); err != nil {
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

// Compile writes a function's program to path. The flags leave out everything
// that differs between machines and checkouts.
func (b Builder) Compile(ctx context.Context, function, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", path, "./functions/"+function+"/bootstrap")
	cmd.Dir = b.Root
	toolchain, err := pinnedToolchain(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return fmt.Errorf("build %s: %w", function, err)
	}
	cmd.Env = append(append([]string{}, b.Environ...), "GOTOOLCHAIN="+toolchain,
		"GOOS="+b.OS, "GOARCH="+b.Arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOARM64=", "GOAMD64=", "GOWORK=off")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("build %s: the go command is not on PATH; install Go, or use a released streamctl, which carries the functions: %w", function, err)
		}
		return fmt.Errorf("build %s: %w\n%s", function, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// pinnedToolchain reads the toolchain line of a go.mod: another compiler makes
// other bytes.
func pinnedToolchain(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read toolchain: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "toolchain "); found {
			return name, nil
		}
	}
	return "", fmt.Errorf("read toolchain: %s names none", path)
}
