package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqlproxy"
	"github.com/streamctl/streamctl/internal/sqltext"
)

// sqlServer is the proxy with its options.
type sqlServer struct {
	*sqlproxy.Server
	options sqlproxy.Options
}

// sqlConn is a connection to the proxy within this process.
type sqlConn struct {
	server *sqlServer
	conn   *pgconn.PgConn
	served *sync.WaitGroup
}

func (s *sqlServer) connect(ctx context.Context) (*sqlConn, error) {
	config, err := pgconn.ParseConfig("host=127.0.0.1 sslmode=disable user=" + contract.RoleSQL + " dbname=" + contract.DatabaseName)
	if err != nil {
		return nil, fmt.Errorf("run SQL: %w", err)
	}
	c := &sqlConn{server: s, served: &sync.WaitGroup{}}
	config.RuntimeParams = map[string]string{} // not those of PGOPTIONS
	config.Password, config.Fallbacks, config.ValidateConnect, config.AfterConnect = "", nil, nil, nil
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		c.served.Go(func() { s.ServeConn(context.WithoutCancel(ctx), server) }) // also a request to cancel
		return client, nil
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	if c.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("run SQL: %w", err)
	}
	return c, nil
}

// end closes the connection and waits until a canceled statement has ended.
func (c *sqlConn) end(ctx context.Context) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.conn.Close(closing) // there is nothing left to write
	c.served.Wait()
	c.server.Wait()
}

// run runs a statement and prints its result. Several results of one command have an
// empty line between them.
func (c *sqlConn) run(ctx context.Context, a *App, s sqltext.Statement, several bool) error {
	if s.Verb() == "copy" {
		_, err := c.conn.CopyTo(ctx, a.out, s.Text)
		return sqlFailure(ctx, err)
	}
	results := c.conn.Exec(ctx, s.Text)
	var printed error
	for results.NextResult() && printed == nil {
		r := results.ResultReader()
		if len(r.FieldDescriptions()) == 0 {
			continue
		}
		printed = printRows(a, r)
		if several && a.flags.output == "text" {
			a.printf("\n")
		}
	}
	if printed != nil {
		return printed
	}
	return sqlFailure(ctx, results.Close())
}

// sqlFailure is the error of a statement, for a person.
func sqlFailure(ctx context.Context, err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &pg):
		return &statementError{pg}
	}
	return fmt.Errorf("run SQL: %w", err)
}

// statementError is an error that PostgreSQL reports.
type statementError struct{ pg *pgconn.PgError }

func (e *statementError) Error() string {
	text := fmt.Sprintf("%s (SQLSTATE %s)", e.pg.Message, e.pg.Code)
	if e.pg.Detail != "" {
		text += ": " + e.pg.Detail
	}
	if e.pg.Position > 0 {
		text += fmt.Sprintf(", at character %d", e.pg.Position)
	}
	return text
}

// Hint implements the command line's hints.
func (e *statementError) Hint() string { return e.pg.Hint }

// printRows prints the rows of a result as they come.
func printRows(a *App, r *pgconn.ResultReader) error {
	switch a.flags.output {
	case "json":
		return printJSONRows(a, r)
	case "csv":
		w := csv.NewWriter(a.out)
		record := make([]string, len(r.FieldDescriptions()))
		for i, f := range r.FieldDescriptions() {
			record[i] = ui.Cell(f.Name)
		}
		err := w.Write(record)
		for err == nil && r.NextRow() {
			for i, v := range r.Values() {
				record[i] = ui.Cell(string(v))
			}
			err = w.Write(record)
		}
		w.Flush()
		return errors.Join(err, w.Error())
	}
	return printTable(a, r)
}
