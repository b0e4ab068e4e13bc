package sqlproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqltext"
)

// parse prepares a statement. The database reads it when it is described or run.
func parse(c *session, m *pgproto3.Parse) error {
	if m.Name != "" && c.statements[m.Name] != nil {
		return NewError(codeDuplicateStmt, fmt.Sprintf("prepared statement %q already exists", m.Name), "")
	}
	statements, err := sqltext.Split(m.Query)
	if err != nil {
		return syntaxError(err)
	}
	if len(statements) > 1 {
		return NewError(codeSyntax, "cannot insert multiple commands into a prepared statement", "")
	}
	p := &prepared{empty: len(statements) == 0, oids: slices.Clone(m.ParameterOIDs)}
	if !p.empty {
		p.Statement = statements[0]
		if err := c.checkStatus(p.Statement); err != nil {
			return err
		}
		if err := checkStatement(c, p.Statement); err != nil {
			return err
		}
	}
	c.statements[m.Name] = p
	c.back.Send(&pgproto3.ParseComplete{})
	return nil
}

// checkStatement rejects what neither the proxy nor the database runs.
func checkStatement(c *session, s sqltext.Statement) error {
	if ownVerbOf(c, s) != nil {
		return nil
	}
	var rejected *sqltext.RejectedError
	if errors.As(s.Check(), &rejected) {
		e := NewError(rejected.Code, rejected.What, rejected.Hint)
		e.Response.Position = int32(rejected.Position) //nolint:gosec // 0 or 1
		return e
	}
	return nil
}

func findStatement(c *session, name string) (*prepared, error) {
	p := c.statements[name]
	if p == nil {
		return nil, NewError(codeNoStatement, fmt.Sprintf("prepared statement %q does not exist", name), "")
	}
	return p, nil
}

// bind makes a portal.
func bind(ctx context.Context, c *session, m *pgproto3.Bind) error {
	p, err := findStatement(c, m.PreparedStatement)
	if err != nil {
		return err
	}
	if !p.empty {
		if err := c.checkStatus(p.Statement); err != nil {
			return err
		}
	}
	if m.DestinationPortal != "" && c.portals[m.DestinationPortal] != nil {
		return NewError(codeDuplicate, fmt.Sprintf("cursor %q already exists", m.DestinationPortal), "")
	}
	c.closePortal(ctx, m.DestinationPortal)
	values := make([][]byte, len(m.Parameters))
	for i, v := range m.Parameters {
		values[i] = bytes.Clone(v) // nil stays NULL
	}
	c.portals[m.DestinationPortal] = &portal{statement: p, bind: contract.SQLBind{
		ParameterFormats: slices.Clone(m.ParameterFormatCodes), ResultFormats: slices.Clone(m.ResultFormatCodes), Parameters: values,
	}}
	c.back.Send(&pgproto3.BindComplete{})
	return nil
}

// describe describes a prepared statement (S) or a portal (P).
func describe(ctx context.Context, c *session, kind byte, name string) error {
	if kind == 'S' {
		p, err := findStatement(c, name)
		if err != nil {
			return err
		}
		return describeStatement(ctx, c, p)
	}
	p := c.portals[name]
	if p == nil {
		return noCursor(name)
	}
	if p.statement.empty {
		c.back.Send(&pgproto3.NoData{})
		return nil
	}
	if ownVerbOf(c, p.statement.Statement) != nil && !p.isCursor {
		return describeOwn(c, p.statement.Statement, p.bind.ResultFormats)
	}
	if err := c.open(ctx, p); err != nil {
		return err
	}
	if p.description == nil {
		c.back.Send(&pgproto3.NoData{})
		return nil
	}
	c.back.Send(p.description)
	return nil
}

// describeStatement asks the database for the types of the parameters and columns, once
// for each statement.
func describeStatement(ctx context.Context, c *session, p *prepared) error {
	if p.empty || ownVerbOf(c, p.Statement) != nil {
		c.back.Send(&pgproto3.ParameterDescription{ParameterOIDs: p.oids})
		if p.empty {
			c.back.Send(&pgproto3.NoData{})
			return nil
		}
		return describeOwn(c, p.Statement, nil)
	}
	if p.description == nil {
		description, err := askDescription(ctx, c, p)
		if err != nil {
			return err
		}
		p.description = description
	}
	for _, message := range p.description {
		c.back.Send(message)
	}
	return nil
}

func askDescription(ctx context.Context, c *session, p *prepared) (description []pgproto3.BackendMessage, err error) {
	s, err := c.server.start(ctx, contract.SQLTask{Text: p.Text, ParameterTypes: p.oids, Settings: c.effective()})
	if err != nil {
		return nil, err
	}
	defer s.abandon(ctx)
	stop := c.watch(ctx, s)
	defer stop()
	for {
		message, err := s.next()
		if err != nil {
			return nil, err
		}
		switch message := message.(type) {
		case *pgproto3.ParameterDescription:
			description = append(description, &pgproto3.ParameterDescription{ParameterOIDs: slices.Clone(message.ParameterOIDs)})
		case *pgproto3.RowDescription:
			s.finish()
			return append(description, copyDescription(message)), nil
		case *pgproto3.NoData:
			s.finish()
			return append(description, &pgproto3.NoData{}), nil
		}
	}
}

// execute runs a portal, or takes the next rows from it.
func execute(ctx context.Context, c *session, name string, limit int) error {
	p := c.portals[name]
	if p == nil {
		return noCursor(name)
	}
	if p.statement.empty {
		c.back.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	if err := c.checkStatus(p.statement.Statement); err != nil {
		return err
	}
	return runPortal(ctx, c, p, limit, false)
}

// run runs a portal, or takes the next rows from it. In the simple protocol, a row
// description comes before the rows.
func runPortal(ctx context.Context, c *session, p *portal, limit int, simple bool) error {
	if own := ownVerbOf(c, p.statement.Statement); own != nil && !p.isCursor {
		return own(ctx, c, p, simple)
	}
	if err := checkStatement(c, p.statement.Statement); err != nil {
		return err
	}
	if err := c.open(ctx, p); err != nil {
		return err
	}
	if simple && p.description != nil {
		c.back.Send(p.description)
	}
	n, tag, err := c.fetch(ctx, p, limit, false)
	switch {
	case err != nil:
		return err
	case tag != "":
		c.complete(tag)
	case limit > 0 && n == limit:
		c.back.Send(&pgproto3.PortalSuspended{})
	default:
		c.back.Send(&pgproto3.EmptyQueryResponse{})
	}
	return nil
}

// close closes a prepared statement or a portal; a missing one is not an error.
func closeNamed(ctx context.Context, c *session, m *pgproto3.Close) {
	if m.ObjectType == 'S' {
		delete(c.statements, m.Name)
	} else {
		c.closePortal(ctx, m.Name)
	}
	c.back.Send(&pgproto3.CloseComplete{})
}

func noCursor(name string) error {
	return NewError(codeNoCursor, fmt.Sprintf("cursor %q does not exist", name), "")
}
