package sqlproxy

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
)

// portal is a statement with its parameters: a bound one, a cursor, or one of a simple
// query.
type portal struct {
	statement *prepared
	bind      contract.SQLBind

	stream *stream
	// description is the row description; nil if the statement returns no rows.
	description *pgproto3.RowDescription
	// isCursor is a portal that DECLARE made: its rows have the format of DECLARE until
	// the first one was read.
	isCursor bool
	done     bool
	rows     int // read so far
}

// open starts the statement and reads its row description.
func (c *session) open(ctx context.Context, p *portal) error {
	if p.stream != nil || p.done {
		return nil
	}
	s, err := c.server.start(ctx, contract.SQLTask{Text: p.statement.Text, ParameterTypes: p.statement.oids, Bind: &p.bind, Settings: c.effective()})
	if err != nil {
		return err
	}
	p.stream = s
	stop := c.watch(ctx, s)
	defer stop()
	for {
		message, err := s.next()
		if err != nil {
			p.done = true
			return err
		}
		switch message := message.(type) {
		case *pgproto3.RowDescription:
			p.description = copyDescription(message)
			return nil
		case *pgproto3.NoData:
			return nil
		case *pgproto3.EmptyQueryResponse:
			p.done = true
			return nil
		case *pgproto3.NoticeResponse:
			c.back.Send(message)
		}
	}
}

// copyDescription copies a message that the next one overwrites.
func copyDescription(d *pgproto3.RowDescription) *pgproto3.RowDescription {
	fields := slices.Clone(d.Fields)
	for i := range fields {
		fields[i].Name = slices.Clone(fields[i].Name)
	}
	return &pgproto3.RowDescription{Fields: fields}
}

// flushAt is the number of bytes of rows after which they are written to the client.
const flushAt = 64 << 10

// fetch sends at most limit rows, or all if limit is 0. It returns the tag of the
// command if the statement has ended. With silent, the rows are only counted.
func (c *session) fetch(ctx context.Context, p *portal, limit int, silent bool) (n int, tag string, err error) {
	if p.done {
		return 0, "SELECT 0", nil
	}
	stop := c.watch(ctx, p.stream)
	defer stop()
	for limit == 0 || n < limit {
		message, err := p.stream.next()
		if err != nil {
			p.done = true
			return n, "", err
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			n++
			p.rows++
			if silent {
				continue
			}
			c.back.Send(message)
			for _, v := range message.Values {
				c.unsent += len(v) + 4
			}
		case *pgproto3.CopyData:
			c.back.Send(message)
			c.unsent += len(message.Data)
		case *pgproto3.CommandComplete:
			p.done = true
			tag := string(message.CommandTag)
			if p.rows != n { // a part of the rows
				tag = fmt.Sprintf("SELECT %d", n)
			}
			return n, tag, nil
		case *pgproto3.EmptyQueryResponse:
			p.done = true
			return n, "", nil
		default: // CopyOutResponse, CopyDone, NoticeResponse
			c.back.Send(message)
		}
		if c.unsent >= flushAt {
			if err := c.flush(); err != nil {
				return n, "", err
			}
		}
	}
	return n, "", nil
}

// watch makes a stream the session's current one, until stop is called. If the client
// leaves meanwhile, or ctx ends, the statement is canceled.
func (c *session) watch(ctx context.Context, s *stream) (stop func()) {
	c.setRunning(s)
	end := context.AfterFunc(ctx, func() { s.cancel(ctx) })
	left := c.watchClient(ctx, s)
	return func() {
		end()
		left()
		c.setRunning(nil)
	}
}

// close ends the statement, if it runs.
func (p *portal) close(ctx context.Context) {
	p.done = true
	if p.stream != nil {
		p.stream.abandon(ctx)
	}
}

// closePortals ends every portal, as the end of a transaction does.
func (c *session) closePortals(ctx context.Context) {
	for name := range c.portals {
		c.closePortal(ctx, name)
	}
}

func (c *session) closePortal(ctx context.Context, name string) {
	if p := c.portals[name]; p != nil {
		p.close(ctx)
		delete(c.portals, name)
	}
}
