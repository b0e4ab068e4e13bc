// Package cli is streamctl's command line. Each verb has a file with its options and a
// function that runs without cobra.
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/artifact/released"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

// App is the program with its streams, environment and clock settings.
type App struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Environ is the whole environment, for the go command.
	Environ func() []string
	// Poll is the pause between two requests for a stack's events; 0 means 3 s.
	Poll time.Duration
	// Remind is the interval at which plain output repeats what an operation is waiting
	// for; 0 means 1 minute.
	Remind time.Duration

	flags   common
	session *session
	// variables is the content of the variables file; nil until it was read.
	variables []byte
	// out and story are Stdout and Stderr for text: every verb writes to these.
	out, story *ui.Writer
	view       view
	// contacts are the hosts that the verb calls; their waits end with the verb.
	contacts []*contacts
}

// common are the flags that most verbs have.
type common struct {
	environment, variables, stack, region, profile, output string
	yes, verbose, noColor                                  bool
}

// Run runs the program and returns its exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	a.contacts = nil
	a.out, a.story = ui.NewWriter(a.Stdout), ui.NewWriter(a.Stderr)
	a.view = view{story: a.story, flags: &a.flags}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(a.Stdin)
	root.SetErr(a.story)
	verb, err := root.ExecuteContextC(ctx)
	for _, c := range a.contacts {
		c.close()
	}
	if err != nil && ctx.Err() != nil && !explainsInterrupt(err) {
		err = &canceledError{verb: verb.Name(), err: err}
	}
	return a.exit(err)
}

// load reads the variables for the environment that --env or the file names.
func (a *App) load(ctx context.Context) (config.Variables, error) {
	return loadFor(ctx, a, a.flags.environment)
}

// loadFor reads the variables for an environment. The file is read once, because it may
// be a pipe; reading ends with ctx.
func loadFor(ctx context.Context, a *App, environment string) (config.Variables, error) {
	if a.variables == nil {
		text, err := ask(ctx, func() ([]byte, error) { return os.ReadFile(a.flags.variables) })
		if err != nil {
			err = fmt.Errorf("read variables: %w", err)
		}
		if errors.Is(err, os.ErrNotExist) {
			return config.Variables{}, &usageError{err: err, hint: "`streamctl init` writes one, or name it with --variables"}
		}
		if err != nil {
			return config.Variables{}, err
		}
		a.variables = append([]byte{}, text...) // not nil
	}
	v, err := config.Load(bytes.NewReader(a.variables), a.flags.variables, environment)
	if err != nil {
		return v, err
	}
	return withFlags(a, v)
}

// withFlags applies the values of the command line.
func withFlags(a *App, v config.Variables) (config.Variables, error) {
	if a.flags.stack != "" {
		if err := config.CheckStackName(a.flags.stack); err != nil {
			return v, &usageError{err: fmt.Errorf("--stack-name %q: %w", a.flags.stack, err)}
		}
		v.StackName = a.flags.stack
	}
	if a.flags.region != "" {
		if err := config.CheckRegion(a.flags.region); err != nil {
			return v, &usageError{err: fmt.Errorf("--region %q: %w", a.flags.region, err)}
		}
		v.Region = a.flags.region
	}
	return v, nil
}

// manifestPath returns the path of the file with the digests of the packaged code.
func manifestPath(a *App) string {
	return filepath.Join(filepath.Dir(a.flags.variables), ".streamctl", "artifacts.json")
}

// codeKeys returns the known S3 keys of the functions' code. Like deploy, a released
// binary uses its embedded functions unless it runs in a checkout; a checkout uses
// those that were packaged last.
func codeKeys(a *App) (map[string]string, error) {
	carried, err := released.Artifacts()
	if err != nil {
		return nil, err
	}
	_, err = artifact.FindSource(".")
	return chooseKeys(carried, err == nil, func() (artifact.Manifest, error) { return artifact.ReadManifest(manifestPath(a)) })
}

func chooseKeys(carried []artifact.Artifact, checkout bool, packaged func() (artifact.Manifest, error)) (map[string]string, error) {
	own := artifact.NewManifest(carried).Keys()
	if len(own) > 0 && !checkout {
		return own, nil
	}
	m, err := packaged()
	if err != nil || len(m.Functions) > 0 {
		return m.Keys(), err
	}
	return own, nil
}

// buildTemplate builds the template for variables with the known code, and returns that
// code's keys too.
func buildTemplate(a *App, v config.Variables) (t *template.Template, keys map[string]string, err error) {
	if v.Region != "" { // deploy would reject it
		if err := checkRegion(a, v); err != nil {
			return nil, nil, err
		}
	}
	if keys, err = codeKeys(a); err != nil {
		return nil, nil, err
	}
	if t, err = template.Build(v, template.Options{CodeKeys: keys}); err != nil {
		return nil, nil, &invalidError{err: err}
	}
	return t, keys, nil
}

// defaultVariables is the variables file if --variables is not given.
const defaultVariables = "variables.yaml"

// terminal returns the file descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// columns returns the width of a terminal; 0 for other streams, which have no limit.
func columns(stdout any) int {
	fd, ok := terminal(stdout)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil {
		return 0
	}
	return max(width, 0)
}
