package cli

import (
	"context"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/tail"
)

// eventTail reads events through the proxy.
type eventTail struct {
	server *sqlServer
	conn   *sqlConn // nil before the first statement and after a lost connection
	events *tail.Events
}

func newEventTail(server *sqlServer, q tail.Query) *eventTail {
	t := &eventTail{server: server}
	t.events = tail.NewEvents(t.rows, q)
	return t
}

func (t *eventTail) end(ctx context.Context) {
	if t.conn != nil {
		t.conn.end(ctx)
		t.conn = nil
	}
}

func (t *eventTail) follow(ctx context.Context, a *App, o tailOptions) error {
	events, err := t.events.Begin(ctx, o.last)
	failed := "" // the last failure, which is reported once
	for err == nil {
		for _, e := range events {
			if err := showEvent(a, e); err != nil {
				return err
			}
		}
		if o.noFollow || pause.For(ctx, o.every) != nil {
			return nil
		}
		var more bool
		events, more, err = t.events.Poll(ctx)
		if more {
			a.notef("More events arrive than tail shows: some are missing here, but not in the database")
		}
		if err != nil && ctx.Err() == nil {
			if failure := message(err); failure != failed {
				a.notef("The events can't be read: %s; trying again", failure)
				failed = failure
			}
			events, err = nil, nil
		} else {
			failed = ""
		}
	}
	if !o.noFollow && ctx.Err() != nil {
		return nil
	}
	return err
}

// rows runs a statement, on a new connection if there is none.
func (t *eventTail) rows(ctx context.Context, text string, parameters [][]byte) ([][][]byte, error) {
	if t.conn != nil && t.conn.conn.IsClosed() {
		t.end(ctx)
	}
	if t.conn == nil {
		conn, err := t.server.connect(ctx)
		if err != nil {
			return nil, err
		}
		t.conn = conn
	}
	result := t.conn.conn.ExecParams(ctx, text, parameters, nil, nil, nil).Read()
	return result.Rows, sqlFailure(ctx, result.Err)
}
