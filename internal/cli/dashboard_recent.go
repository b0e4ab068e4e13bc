package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/sqlproxy"
	"github.com/streamctl/streamctl/internal/tail"
)

// stackEvents reads a stack's newest events for the dashboard. It is not safe for
// concurrent use.
type stackEvents struct {
	a      *App
	op     *deploy.Operator
	stack  stack.Stack
	tail   *eventTail
	recent *tail.RecentEvents
}

func newStackEvents(a *App, op *deploy.Operator, found stack.Stack) *stackEvents {
	t := newEventTail(nil, tail.Query{})
	return &stackEvents{a: a, op: op, stack: found, tail: t, recent: tail.NewRecentEvents(t.rows, tail.Shown)}
}

// get returns the newest events. A stack without SQL, or a missing permission, is an
// error of each call until it is corrected.
func (e *stackEvents) get(ctx context.Context) ([]tail.Event, error) {
	if e.tail.server == nil {
		if err := e.connect(ctx); err != nil {
			return nil, err
		}
	}
	return e.recent.Get(ctx)
}

func (e *stackEvents) connect(ctx context.Context) error {
	if e.stack.Outputs["SqlPolicyArn"] == "" { // a deploy may have added it
		found, err := e.op.Describe(ctx, e.stack.Name)
		if err != nil {
			return err
		}
		e.stack = found
	}
	f, err := stackSQL(ctx, e.op, e.stack)
	if err != nil {
		return err
	}
	options := sqlproxy.Options{Database: stackDatabase{f}, MaxParallel: 1, Timeout: 15 * time.Second, Note: e.a.notef}
	s, err := sqlproxy.New(ctx, options)
	if err != nil {
		return fmt.Errorf("run SQL: %w", err)
	}
	e.tail.server = &sqlServer{s, options}
	return nil
}

// end ends the connection.
func (e *stackEvents) end(ctx context.Context) { e.tail.end(ctx) }
