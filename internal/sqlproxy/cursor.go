package sqlproxy

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/sqltext"
)

// declare opens a cursor: a portal whose rows FETCH takes.
func declare(ctx context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(12)
	query := slices.Index(words, "for") + 1
	if query == 0 || len(words) < 5 || !slices.Contains(words[:query], "cursor") {
		return NewError(codeSyntax, "DECLARE: want DECLARE name CURSOR FOR query", "")
	}
	name, options := words[1], words[2:query]
	with := slices.Index(options, "hold")
	switch {
	case with > 0 && options[with-1] == "with":
		return NewError(codeUnsupported, "cursors WITH HOLD are not supported: a cursor ends with its transaction", "")
	case slices.Contains(options, "scroll") && !slices.Contains(options, "no"):
		return NewError(codeUnsupported, "SCROLL cursors are not supported: rows are read once, forward", "declare it with NO SCROLL")
	case c.status == 'I':
		return NewError(codeNoTx, "DECLARE CURSOR can only be used in transaction blocks", "")
	case c.portals[name] != nil:
		return NewError(codeDuplicate, fmt.Sprintf("cursor %q already exists", name), "")
	}
	statements, err := sqltext.Split(p.statement.Rest(query))
	if err != nil || len(statements) != 1 {
		return NewError(codeSyntax, "DECLARE: want one query behind FOR", "")
	}
	if err := checkStatement(c, statements[0]); err != nil {
		return err
	}
	switch statements[0].Verb() {
	case "select", "with", "values", "table":
	default:
		return NewError(codeSyntax, "DECLARE: want a query behind FOR", "")
	}
	cursor := &portal{statement: &prepared{Statement: statements[0], oids: p.statement.oids}, bind: p.bind, isCursor: true}
	cursor.bind.ResultFormats = nil
	if slices.Contains(options, "binary") {
		cursor.bind.ResultFormats = []int16{1}
	}
	if err := c.open(ctx, cursor); err != nil {
		cursor.close(ctx)
		return err
	}
	c.portals[name] = cursor
	c.complete("DECLARE CURSOR")
	return nil
}

// fetchOptions are the options of FETCH and MOVE.
type fetchOptions struct {
	cursor string
	// count is the number of rows; -1 means all.
	count int
}

func readFetch(s sqltext.Statement) (f fetchOptions, err error) {
	words := s.Words(8)[1:]
	if len(words) == 0 {
		return f, NewError(codeSyntax, "FETCH: want the name of a cursor", "")
	}
	f.cursor, f.count = words[len(words)-1], 1
	for _, word := range words[:len(words)-1] {
		switch word {
		case "from", "in", "next", "forward":
		case "all":
			f.count = -1
		default:
			n, err := strconv.Atoi(word)
			if err != nil || n < 0 {
				return f, NewError(codeForwardOnly, "cursor can only scan forward", "declare it again to read it from its start")
			}
			f.count = n
		}
	}
	return f, nil
}

// fetchCursor takes the next rows of a cursor; MOVE only skips them.
func fetchCursor(ctx context.Context, c *session, p *portal, simple bool) error {
	f, err := readFetch(p.statement.Statement)
	if err != nil {
		return err
	}
	cursor := c.portals[f.cursor]
	if cursor == nil {
		return noCursor(f.cursor)
	}
	moves := p.statement.Verb() == "move"
	if !moves {
		if err := reformat(ctx, c, cursor, p.bind.ResultFormats); err != nil {
			return err
		}
		if simple && cursor.description != nil {
			c.back.Send(cursor.description)
		}
	}
	n := 0
	if f.count != 0 {
		if n, _, err = c.fetch(ctx, cursor, max(f.count, 0), moves); err != nil {
			return err
		}
	}
	if moves {
		c.complete("MOVE " + strconv.Itoa(n))
		return nil
	}
	c.complete("FETCH " + strconv.Itoa(n))
	return nil
}

// reformat runs a cursor's query again if the client wants its rows in another format
// and has not read one.
func reformat(ctx context.Context, c *session, cursor *portal, formats []int16) error {
	if len(formats) == 0 || cursor.description == nil || cursor.done {
		return nil
	}
	same := true
	for i, field := range withFormats(cursor.description, formats).Fields {
		same = same && field.Format == cursor.description.Fields[i].Format
	}
	if same {
		return nil
	}
	if cursor.rows > 0 {
		return NewError(codeUnsupported, "the format of a cursor's rows can't change after the first row", "declare the cursor again")
	}
	cursor.stream.abandon(ctx)
	cursor.stream, cursor.bind.ResultFormats = nil, formats
	return c.open(ctx, cursor)
}

// withFormats returns a description with the formats of a Bind message.
func withFormats(d *pgproto3.RowDescription, formats []int16) *pgproto3.RowDescription {
	d = copyDescription(d)
	for i := range d.Fields {
		switch {
		case len(formats) == 1:
			d.Fields[i].Format = formats[0]
		case i < len(formats):
			d.Fields[i].Format = formats[i]
		}
	}
	return d
}

func closeCursor(ctx context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(2)
	if len(words) < 2 {
		return NewError(codeSyntax, "CLOSE: want the name of a cursor, or ALL", "")
	}
	if words[1] == "all" {
		for name, other := range c.portals {
			if other.isCursor {
				c.closePortal(ctx, name)
			}
		}
		c.complete("CLOSE CURSOR ALL")
		return nil
	}
	if cursor := c.portals[words[1]]; cursor == nil || cursor == p {
		return noCursor(words[1])
	}
	c.closePortal(ctx, words[1])
	c.complete("CLOSE CURSOR")
	return nil
}
