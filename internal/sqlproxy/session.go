package sqlproxy

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/sqltext"
)

// session is the state of one connection.
type session struct {
	server *Server
	conn   net.Conn
	back   *pgproto3.Backend
	// input is the source of back.
	input  *bufio.Reader
	pid    uint32
	secret []byte

	// status is I outside of a transaction, T in one, E in a failed one.
	status   byte
	settings map[string]string
	// before are the settings at the start of the transaction; savepoints are its
	// savepoints.
	before     map[string]string
	savepoints []savepoint
	// local are the settings that end with the transaction.
	local map[string]string

	statements map[string]*prepared
	portals    map[string]*portal
	// skipping drops messages after an error until the next Sync.
	skipping bool
	unsent   int // bytes of rows since the last flush

	mu      sync.Mutex
	running *stream
}

type savepoint struct {
	name     string
	settings map[string]string
}

// prepared is a prepared statement.
type prepared struct {
	sqltext.Statement
	empty bool
	oids  []uint32
	// description is the response to Describe, after the first one.
	description []pgproto3.BackendMessage
}

// current returns the stream that the session reads; nil if it waits for the client.
func (c *session) current() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

func (c *session) setRunning(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = s
}

// loop handles the client's messages until it leaves. Its error is the connection's.
func (c *session) loop(ctx context.Context) error {
	for {
		message, err := c.back.Receive()
		if err != nil {
			return err
		}
		if _, ok := message.(*pgproto3.Terminate); ok {
			return nil
		}
		if err := c.handle(ctx, message); err != nil {
			return err
		}
	}
}

// handle handles one message.
func (c *session) handle(ctx context.Context, message pgproto3.FrontendMessage) error {
	if sync, ok := message.(*pgproto3.Sync); ok && sync != nil {
		c.skipping = false
		if c.status == 'I' {
			c.closePortals(ctx)
		}
		c.ready()
		return c.flush()
	}
	if c.skipping {
		return nil
	}
	var err error
	switch message := message.(type) {
	case *pgproto3.Query:
		if err := c.query(ctx, message.String); err != nil {
			c.fail(err)
		}
		c.ready()
		return c.flush()
	case *pgproto3.Parse:
		err = parse(c, message)
	case *pgproto3.Bind:
		err = bind(ctx, c, message)
	case *pgproto3.Describe:
		err = describe(ctx, c, message.ObjectType, message.Name)
	case *pgproto3.Execute:
		err = execute(ctx, c, message.Portal, int(message.MaxRows))
	case *pgproto3.Close:
		closeNamed(ctx, c, message)
	case *pgproto3.Flush:
		return c.flush()
	case *pgproto3.FunctionCall:
		c.fail(NewError(codeUnsupported, "calls of functions by number are not supported", "use SELECT"))
		c.ready()
		return c.flush()
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail: // of a COPY that was rejected
	default:
		err = NewError(codeProtocol, fmt.Sprintf("unexpected message %T", message), "")
	}
	if err != nil {
		c.fail(err)
		c.skipping = true
		return c.flush()
	}
	return nil
}

// fail sends an error. A transaction fails with it.
func (c *session) fail(err error) {
	c.back.Send(&asError(err).Response)
	if c.status == 'T' {
		c.status = 'E'
	}
}

func (c *session) ready() { c.back.Send(&pgproto3.ReadyForQuery{TxStatus: c.status}) }

func (c *session) flush() error {
	c.unsent = 0
	if err := c.back.Flush(); err != nil {
		return fmt.Errorf("write to client: %w", err)
	}
	return nil
}

// complete sends a command's tag.
func (c *session) complete(tag string) {
	c.back.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// query runs the statements of a simple query, up to the first error.
func (c *session) query(ctx context.Context, text string) error {
	delete(c.statements, "")
	c.closePortal(ctx, "")
	statements, err := sqltext.Split(text)
	if err != nil {
		return syntaxError(err)
	}
	if len(statements) == 0 {
		c.back.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	for _, statement := range statements {
		p := &portal{statement: &prepared{Statement: statement}}
		err := c.checkStatus(statement)
		if err == nil {
			err = runPortal(ctx, c, p, 0, true)
		}
		p.close(ctx)
		if err != nil {
			e := asError(err)
			if e.Response.Position > 0 {
				e.Response.Position += int32(statement.Offset) //nolint:gosec // a message has at most 4 MB
			}
			return e
		}
	}
	return nil
}

func syntaxError(err error) error {
	e := NewError(codeSyntax, err.Error(), "")
	if syntax, ok := err.(*sqltext.SyntaxError); ok { //nolint:errorlint // Split returns only this type
		e.Response.Position = int32(syntax.Position) //nolint:gosec // a message has at most 4 MB
	}
	return e
}

// checkStatus rejects everything but the end of a failed transaction.
func (c *session) checkStatus(s sqltext.Statement) error {
	if c.status != 'E' {
		return nil
	}
	switch s.Verb() {
	case "rollback", "commit", "end", "abort":
		return nil
	}
	return NewError(codeFailedTx, "current transaction is aborted, commands ignored until end of transaction block", "")
}

// effective returns the settings of a statement.
func (c *session) effective() map[string]string {
	all := maps.Clone(c.settings)
	maps.Copy(all, c.local)
	return all
}
