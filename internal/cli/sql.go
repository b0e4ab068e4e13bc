package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqlproxy"
	"github.com/streamctl/streamctl/internal/sqltext"
)

type sqlOptions struct {
	file        string
	listen      string
	timeout     time.Duration
	maxParallel int
	buffered    bool
	dataDir     string
}

// listenDefault is the address of --listen without a value.
const listenDefault = "127.0.0.1:5432"

func newSQLCmd(a *App) *cobra.Command {
	o := sqlOptions{timeout: time.Minute}
	cmd := &cobra.Command{
		Use:   "sql [statement]",
		Short: "Run SQL in the warehouse, or let other programs do so",
		Long: `Run SQL in the warehouse: a statement, a file, standard input, or an interactive prompt
on a terminal. Statements run in the stack's query function as the role streamctl_sql,
which only reads; the database is never reachable from outside.

--listen serves PostgreSQL's protocol on this machine, for psql, drivers and BI tools. It
prints the connection's URL with a password that is valid until the command ends.

The result is read as it comes, up to 190 MB. A larger one is an error, and never cut
silently.`,
		Example: `  streamctl sql "SELECT event_type, count(*) FROM events GROUP BY 1"
  streamctl sql -f report.sql -o csv > report.csv
  streamctl sql --listen
  streamctl sql --listen=127.0.0.1:6543 --data-dir .streamctl/local`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runSQL(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "file with statements; - is standard input")
	f.StringVar(&o.listen, "listen", "", "serve PostgreSQL's protocol at a loopback address, "+listenDefault+" without a value; port 0 selects a free one")
	f.Lookup("listen").NoOptDefVal = listenDefault
	f.Var((*ui.Duration)(&o.timeout), "timeout", "longest time of a statement with the delivery of its rows, 1s to 890s")
	f.IntVar(&o.maxParallel, "max-parallel", 2, "statements that run at a time, 1 to 4; others wait for up to 30 s")
	f.BoolVar(&o.buffered, "no-stream", false, "get each result as a whole, at most 4.7 MB, where Lambda does not stream")
	f.StringVar(&o.dataDir, "data-dir", "", "data folder of a running streamctl local, instead of a stack")
	return cmd
}

func (o sqlOptions) check() error {
	if o.timeout < time.Second || o.timeout > contract.SQLTimeoutSeconds*time.Second {
		return &usageError{err: fmt.Errorf("--timeout %s: want 1s to %ds", o.timeout, contract.SQLTimeoutSeconds)}
	}
	if o.maxParallel < 1 || o.maxParallel >= contract.SQLConnections {
		return &usageError{err: fmt.Errorf("--max-parallel %d: want 1 to %d", o.maxParallel, contract.SQLConnections-1)}
	}
	return nil
}

func runSQL(ctx context.Context, a *App, o sqlOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.listen != "" {
		return listenSQL(ctx, a, o, args)
	}
	fd, isTerminal := terminal(a.Stdin)
	interactive := len(args) == 0 && o.file == "" && isTerminal
	var statements []sqltext.Statement
	if !interactive {
		var err error
		if statements, err = readStatements(ctx, a, o, args); err != nil {
			return err
		}
	} else if a.flags.output != "text" {
		return &usageError{err: fmt.Errorf("--output %s: the prompt shows text", a.flags.output), hint: "give a statement, or a file with -f"}
	}
	server, err := newSQLServer(ctx, a, o)
	if err != nil {
		return err
	}
	conn, err := server.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.end(ctx)
	if interactive {
		return promptSQL(ctx, a, conn, fd)
	}
	for _, s := range statements {
		if err := conn.run(ctx, a, s, len(statements) > 1); err != nil {
			return err
		}
	}
	return nil
}

// readStatements reads the statements of the command line, a file or standard input,
// and rejects what can't run before anything runs.
func readStatements(ctx context.Context, a *App, o sqlOptions, args []string) ([]sqltext.Statement, error) {
	var text string
	switch {
	case len(args) == 1 && o.file != "":
		return nil, &usageError{err: errors.New("-f: there is a statement already"), hint: "give a statement or a file"}
	case len(args) == 1:
		text = args[0]
	default:
		content, err := ask(ctx, func() ([]byte, error) {
			if o.file != "" && o.file != "-" {
				return os.ReadFile(o.file)
			}
			return io.ReadAll(a.Stdin)
		})
		if errors.Is(err, os.ErrNotExist) {
			return nil, &usageError{err: fmt.Errorf("read statements: %w", err)}
		}
		if err != nil {
			return nil, fmt.Errorf("read statements: %w", err)
		}
		text = string(content)
	}
	statements, err := sqltext.Split(text)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("read statements: %w", err)}
	}
	if len(statements) == 0 {
		return nil, &usageError{err: errors.New("there is no statement"), hint: "`streamctl sql --help` shows examples"}
	}
	if a.flags.output == "json" && len(statements) > 1 {
		return nil, &usageError{err: fmt.Errorf("--output json: there are %d statements", len(statements)), hint: "run one statement at a time"}
	}
	var rejected *sqltext.RejectedError
	for _, s := range statements {
		if slices.Contains([]string{"set", "reset", "begin", "start", "commit", "end", "rollback", "declare", "fetch", "close", "discard"}, s.Verb()) {
			continue
		}
		if errors.As(s.Check(), &rejected) {
			return nil, &usageError{err: fmt.Errorf("%s: %w", strings.ToUpper(s.Verb()), rejected), hint: rejected.Hint}
		}
	}
	return statements, nil
}

// newSQLServer returns the proxy in front of the stack's function, or of the database
// of `streamctl local`. The database's version is read first.
func newSQLServer(ctx context.Context, a *App, o sqlOptions) (*sqlServer, error) {
	database, err := sqlDatabase(ctx, a, o)
	if err != nil {
		return nil, err
	}
	options := sqlproxy.Options{Database: database, MaxParallel: o.maxParallel, Timeout: o.timeout, Note: a.notef}
	s, err := sqlproxy.New(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("run SQL: %w", err)
	}
	return &sqlServer{s, options}, nil
}
