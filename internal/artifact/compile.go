package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// settings are all variables of the go command that decide a program's bytes. With
// GOENV=off an empty variable has its default; otherwise the command would use the
// value that `go env -w` stored.
func (b Builder) settings() []string {
	return []string{
		"GOENV=off", "GOOS=" + b.OS, "GOARCH=" + b.Arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GODEBUG=", "GOFIPS140=off",
		"GOARM64=v8.0", "GOAMD64=v1", "GO386=sse2", "GOARM=7", "GOWORK=off", "GO111MODULE=on", "GO_EXTLINK_ENABLED=",
	}
}

// arguments are the arguments of every build. They leave out everything that differs
// between machines and checkouts.
func (b Builder) arguments() []string {
	mod := "-mod=readonly"
	if b.vendored() {
		mod = "-mod=vendor"
	}
	return []string{"build", "-trimpath", "-buildvcs=false", mod, "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid="}
}

// environment returns the go command's environment for every build.
func (b Builder) environment(ctx context.Context) ([]string, error) {
	toolchain, err := pinnedToolchain(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return nil, err
	}
	stored, err := b.stored(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Concat(b.Environ, stored, b.settings(), []string{"GOTOOLCHAIN=" + toolchain}), nil
}

// stored reads the settings of the go command for the sources of modules and the build
// cache, which don't change a program's bytes. `go env -w` may have stored some, and
// settings disables those.
func (b Builder) stored(ctx context.Context) ([]string, error) {
	names := []string{"GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH", "GOPATH", "GOMODCACHE", "GOCACHE", "GOCACHEPROG", "GOTMPDIR"}
	cmd := exec.CommandContext(ctx, "go", append([]string{"env", "-json"}, names...)...)
	// In the checkout's folder, the command would switch to its toolchain, which may
	// not be installed yet.
	cmd.Dir, cmd.Env = os.TempDir(), append(slices.Clone(b.Environ), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off")
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return nil, goError(err, said.String())
	}
	values := map[string]string{}
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("read settings of the go command: %w", err)
	}
	var out []string
	for _, name := range names {
		if value := values[name]; value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out, nil
}

// goError returns the error of a failed go command.
func goError(err error, said string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("the go command is not on PATH; install Go, or use a released streamctl, which contains the functions: %w", err)
	}
	return fmt.Errorf("%w\n%s", err, strings.TrimSpace(said))
}

// Compile builds a function's program at path.
func (b Builder) Compile(ctx context.Context, function, path string) error {
	environment, err := b.environment(ctx)
	if err != nil {
		return fmt.Errorf("build %s: %w", function, err)
	}
	return b.compile(ctx, environment, function, path)
}

func (b Builder) compile(ctx context.Context, environment []string, function, path string) error {
	cmd := exec.CommandContext(ctx, "go", append(b.arguments(), "-o", path, "./functions/"+function+"/bootstrap")...)
	cmd.Dir, cmd.Env = b.Root, environment
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", function, goError(err, said.String()))
	}
	return nil
}

// pinnedToolchain reads the toolchain line of a go.mod: another compiler produces other
// bytes.
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
	return "", fmt.Errorf("read toolchain: %s has no toolchain line", path)
}
