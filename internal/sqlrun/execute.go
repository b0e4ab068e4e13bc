package sqlrun

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
)

// execute sends the statement and writes the server's messages. When ctx ends or the
// result is too large, it cancels the statement on the server.
func execute(ctx context.Context, conn *pgconn.PgConn, t contract.SQLTask, out *writer) {
	front := conn.Frontend()
	front.SetMaxBodyLen(rowLimit)
	front.Send(&pgproto3.Parse{Query: t.Text, ParameterOIDs: t.ParameterTypes})
	if t.Bind == nil {
		front.Send(&pgproto3.Describe{ObjectType: 'S'})
	} else {
		front.Send(&pgproto3.Bind{ParameterFormatCodes: t.Bind.ParameterFormats, Parameters: t.Bind.Parameters, ResultFormatCodes: t.Bind.ResultFormats})
		front.Send(&pgproto3.Describe{ObjectType: 'P'})
		front.Send(&pgproto3.Execute{})
	}
	front.Send(&pgproto3.Sync{})
	if err := front.Flush(); err != nil {
		out.send(errorMessage(err))
		return
	}
	stop := context.AfterFunc(ctx, func() { end(ctx, conn) })
	defer stop()
	for {
		if front.ReadBufferLen() == 0 && out.flush() != nil { // the next message may take long
			end(ctx, conn)
			return
		}
		message, err := front.Receive()
		switch {
		case err != nil && out.done(): // the server ended the session after its error
			return
		case err != nil && ctx.Err() != nil:
			out.send(newError(canceled, "canceling statement due to its timeout", "set a longer --timeout"))
			return
		case err != nil:
			out.send(receiveError(err))
			end(ctx, conn)
			return
		}
		if _, ok := message.(*pgproto3.ReadyForQuery); ok {
			return
		}
		if out.done() {
			continue
		}
		if err := out.pass(message); err != nil {
			end(ctx, conn)
			return
		}
	}
}

// end cancels the statement on the server, and bounds the wait for its last messages.
func end(ctx context.Context, conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer cancel()
	_ = conn.CancelRequest(ctx)                                 // the closed connection ends it too
	_ = conn.Conn().SetReadDeadline(time.Now().Add(cancelTime)) // it fails only on a closed connection
}

// receiveError is the message for a connection that failed, or a value that is too
// large.
func receiveError(err error) *pgproto3.ErrorResponse {
	var large *pgproto3.ExceededMaxBodyLenErr
	if errors.As(err, &large) {
		return newError(programLimit, fmt.Sprintf("a row has %.1f MB, and a row can have %d MB", float64(large.ActualBodyLen)/1e6, rowLimit/1_000_000),
			"select parts of its values, such as substr(…)")
	}
	return errorMessage(err)
}

// newError returns an error response of the runner itself.
func newError(code, message, hint string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: message, Hint: hint}
}

// errorMessage returns the message for an error: the server's own, or a failed
// connection.
func errorMessage(err error) *pgproto3.ErrorResponse {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return newError(connectionFailed, "the database is unreachable: "+err.Error(), "`streamctl status` shows the database's state")
	}
	hint := pg.Hint
	switch {
	case hint != "":
	case strings.HasPrefix(pg.Code, "28"): // invalid authorization
		hint = "the database's role " + contract.RoleSQL + " is missing, or must not log in: `streamctl deploy` creates it with the schema"
	case pg.Code == tooMany:
		hint = fmt.Sprintf("SQL users have %d connections in all; try again when a statement has ended", contract.SQLConnections)
	}
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: pg.Code, Message: pg.Message, Detail: pg.Detail, Hint: hint, Position: pg.Position,
		SchemaName: pg.SchemaName, TableName: pg.TableName, ColumnName: pg.ColumnName, DataTypeName: pg.DataTypeName, ConstraintName: pg.ConstraintName,
	}
}
