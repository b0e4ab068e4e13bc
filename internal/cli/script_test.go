package cli_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/testkit/golden"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"streamctl": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		app := cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Environ: os.Environ, Poll: 10 * time.Millisecond}
		os.Exit(app.Run(ctx, os.Args[1:]))
	}})
}

// TestScripts runs the command line's specification: one or more scripts per verb.
// $SOURCE in a script is the checkout. The functions are built once before, so that the
// scripts take them from the cache.
func TestScripts(t *testing.T) {
	source, settings := buildFunctions(t)
	testscript.Run(t, testscript.Params{
		Dir:           "../../testdata/script",
		UpdateScripts: golden.Updating(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("SOURCE", source)
			env.Vars = append(env.Vars, settings...)
			env.Values[fakeKey{}] = map[any]any{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"aws":   func(ts *testscript.TestScript, neg bool, args []string) { standInForAWS(t.Context(), ts, neg, args) },
			"api":   serveAPI,
		},
	})
}

// buildFunctions builds the functions of this checkout, and returns its folder and the
// go command's settings that scripts must share.
func buildFunctions(t *testing.T) (source string, settings []string) {
	t.Helper()
	source, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	variables := filepath.Join(t.TempDir(), "variables.yaml")
	if err := os.WriteFile(variables, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := runIn(t.Context(), nil, "package", "--no-upload", "--source", source, "--variables", variables); code != 0 {
		t.Fatalf("build the functions: code %d: %s", code, said)
	}
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB"}
	text, err := exec.CommandContext(t.Context(), "go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		settings = append(settings, names[i]+"="+value)
	}
	return source, settings
}

// exits runs a command and compares its exit code: exits 3 streamctl validate.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
