package cli

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/template"
)

// taskOptions select where the tasks of maintenance run.
type taskOptions struct{ dataDir string }

func (o *taskOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.dataDir, "data-dir", "", "data folder of a running streamctl local, instead of a stack")
}

// tasks runs the tasks of maintenance: for a stack in its function, for `streamctl
// local` beside it.
type tasks struct {
	do    func(context.Context, contract.MaintenanceTask) (contract.MaintenanceResult, error)
	close func(context.Context) error
}

func openTasks(ctx context.Context, a *App, o taskOptions) (*tasks, error) {
	if o.dataDir != "" {
		return openLocalTasks(ctx, a, o.dataDir)
	}
	_, op, found, err := a.loginToStack(ctx)
	if err != nil {
		return nil, err
	}
	f, err := op.Function(ctx, found, template.FunctionID(contract.FuncMaintenance))
	if err != nil {
		return nil, err
	}
	return &tasks{
		do: func(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
			return r, f.Invoke(ctx, task, &r)
		},
		close: func(context.Context) error { return nil },
	}, nil
}

func openLocalTasks(ctx context.Context, a *App, dir string) (*tasks, error) {
	v, err := localVariables(ctx, a)
	if err != nil {
		return nil, err
	}
	t, err := local.OpenTasks(local.TaskOptions{Dir: dir, Variables: v, Other: func(string) (archive.ReadAPI, error) {
		cfg, err := a.awsConfig(ctx, v)
		if err != nil {
			return nil, err
		}
		return deploy.NewClients(cfg, ownS3(cfg)).S3, nil
	}})
	if err != nil {
		return nil, err
	}
	return &tasks{do: t.Do, close: t.Close}, nil
}

// ask runs a task once. A problem is an error.
func (t *tasks) ask(ctx context.Context, task contract.MaintenanceTask) (contract.MaintenanceResult, error) {
	r, err := t.do(ctx, task)
	if err == nil && r.Problem != nil {
		err = &taskError{*r.Problem}
	}
	return r, err
}

// all runs a task for every page of its result.
func (t *tasks) all(ctx context.Context, task contract.MaintenanceTask, page func(contract.MaintenanceResult) (more bool)) error {
	for {
		r, err := t.ask(ctx, task)
		if err != nil {
			return err
		}
		if !page(r) || r.Next == "" {
			return nil
		}
		task.After = r.Next
	}
}

// with runs work with opened tasks.
func (o taskOptions) with(ctx context.Context, a *App, work func(*tasks) error) error {
	t, err := openTasks(ctx, a, o)
	if err != nil {
		return err
	}
	return errors.Join(work(t), t.close(context.WithoutCancel(ctx)))
}

// taskError reports that maintenance did not do a task.
type taskError struct{ contract.Problem }

func (e *taskError) Error() string { return e.Message }

// Hint implements the command line's hints.
func (e *taskError) Hint() string { return e.Problem.Hint }

// Class implements failure.Classified.
func (e *taskError) Class() failure.Class {
	switch e.Kind {
	case contract.ProblemBusy:
		return failure.Busy
	case contract.ProblemInvalid:
		return failure.Usage
	case contract.ProblemDenied:
		return failure.Credentials
	}
	return failure.Other
}

// noURL rejects an API's address for a task that changes the database.
func noURL(a *App, url string) error {
	if url == "" && a.Getenv("STREAMCTL_URL") == "" {
		return nil
	}
	return &usageError{
		err:  errors.New("--forget changes a database, and --url names only an API"),
		hint: "name the stack with --env or --stack-name, without --url and STREAMCTL_URL, or the data folder of streamctl local with --data-dir",
	}
}
