package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/local/logfile"
	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/logs/stacklogs"
	"github.com/streamctl/streamctl/internal/template"
)

// printJSONLine prints a value as an object on one line.
func printJSONLine(a *App, value any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return a.write(ui.JSON(b.Bytes()))
}

// stackLog is the log of a stack's functions.
type stackLog struct {
	a      *App
	stack  string
	reader *stacklogs.Reader
	groups int
	noted  map[string]bool
}

func openStackLog(ctx context.Context, a *App, filter string, since time.Time, names []string) (logSource, error) {
	v, op, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	return newStackLog(a, op, v.StackName, filter, since, names), nil
}

func newStackLog(a *App, op *deploy.Operator, stackName, filter string, since time.Time, names []string) *stackLog {
	var groups []stacklogs.Group
	for _, name := range names {
		if g := (stacklogs.Group{Name: template.LogGroup(stackName, name), Function: name}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	reader := stacklogs.New(op.Logs, stacklogs.Request{Groups: groups, Since: since, Filter: filter})
	return &stackLog{a: a, stack: stackName, reader: reader, groups: len(groups), noted: map[string]bool{}}
}

// Read implements logSource.
func (s *stackLog) Read(ctx context.Context, show func(logs.Line) error) error {
	err := s.reader.Read(ctx, time.Now(), show)
	if stack.IsDenied(err) {
		return &logDeniedError{s.stack, err}
	}
	if err != nil {
		return err
	}
	if len(s.reader.Missing) == s.groups {
		return &noLogError{s.stack}
	}
	for _, g := range s.reader.Missing {
		s.note("Log group %s does not exist: %s is not deployed", g.Name, g.Function)
	}
	for _, g := range s.reader.Cut {
		s.note("The log of %s was read in part only: choose a shorter --since, or a --filter", g.Function)
	}
	return nil
}

// note prints a note once.
func (s *stackLog) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !s.noted[text] {
		s.noted[text] = true
		s.a.notef("%s", text)
	}
}

// Pause implements logSource.
func (s *stackLog) Pause() time.Duration {
	if s.a.Poll != 0 {
		return s.a.Poll
	}
	return 3 * time.Second // CloudWatch Logs allows 5 calls per second and account
}

// Close implements logSource.
func (s *stackLog) Close() error { return nil }

// noLogError reports a stack without any log group.
type noLogError struct{ stack string }

func (e *noLogError) Error() string {
	return "read logs: no log group of stack " + e.stack + " exists"
}

// Hint implements the command line's hints.
func (e *noLogError) Hint() string {
	return "`streamctl status` shows whether the stack exists in this account and region; set --env, --stack-name, --region or --profile"
}

// logDeniedError reports credentials that must not read the log.
type logDeniedError struct {
	stack string
	err   error
}

func (e *logDeniedError) Error() string { return e.err.Error() }
func (e *logDeniedError) Unwrap() error { return e.err }

// Hint implements the command line's hints.
func (e *logDeniedError) Hint() string {
	return "these credentials need logs:FilterLogEvents on the log groups " + template.LogGroup(e.stack, "*")
}

// localLog is the log of a platform on this machine.
type localLog struct {
	reader *logfile.Reader
	since  time.Time
	filter string
	// names are the functions to show.
	names []string
}

func openLocalLog(dir, filter string, since time.Time, names []string) (logSource, error) {
	reader, err := local.OpenLog(dir)
	if err != nil {
		return nil, err
	}
	return &localLog{reader: reader, since: since, filter: filter, names: names}, nil
}

// Read implements logSource.
func (l *localLog) Read(ctx context.Context, show func(logs.Line) error) error {
	return l.reader.Read(func(raw string) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		line := logs.Parse(raw, "", time.Time{})
		wanted := line.Function != "" && slices.Contains(l.names, line.Function) || line.Function == "" && len(l.names) == len(functionNames())
		if !wanted || line.Time.Before(l.since) || !strings.Contains(raw, l.filter) {
			return nil
		}
		return show(line)
	})
}

// Pause implements logSource.
func (l *localLog) Pause() time.Duration { return 300 * time.Millisecond }

// Close implements logSource.
func (l *localLog) Close() error { return l.reader.Close() }
