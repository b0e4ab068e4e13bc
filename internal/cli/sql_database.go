package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/aws/smithy-go"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/sqlproxy"
	"github.com/streamctl/streamctl/internal/template"
)

// sqlDatabase returns what runs the statements.
func sqlDatabase(ctx context.Context, a *App, o sqlOptions) (sqlproxy.Database, error) {
	if o.dataDir != "" {
		return local.SQL(o.dataDir, slog.New(slog.DiscardHandler))
	}
	_, op, found, err := a.loginToStack(ctx)
	if err != nil {
		return nil, err
	}
	f, err := stackSQL(ctx, op, found)
	if err != nil {
		return nil, err
	}
	if o.buffered {
		f.Buffer()
	}
	return stackDatabase{f}, nil
}

// stackSQL finds the function that runs a stack's statements.
func stackSQL(ctx context.Context, op *deploy.Operator, found stack.Stack) (*deploy.SQLFunction, error) {
	if found.Outputs["SqlPolicyArn"] == "" {
		return nil, &noSQLError{found.Name, found.Status}
	}
	return op.SQL(ctx, found, template.FunctionID(contract.FuncQuery), template.AliasID(contract.FuncQuery))
}

// noSQLError reports a stack whose query function does not run SQL yet.
type noSQLError struct {
	stack  string
	status stack.Status
}

func (e *noSQLError) Error() string {
	return fmt.Sprintf("run SQL: stack %s has no output SqlPolicyArn: it is older than this version of streamctl, or its creation is not complete (%s)", e.stack, e.status)
}

// Hint implements the command line's hints.
func (e *noSQLError) Hint() string { return "`streamctl deploy` finishes or updates the stack" }

// stackDatabase converts the errors of Lambda for clients of PostgreSQL.
type stackDatabase struct{ function *deploy.SQLFunction }

// Open implements sqlproxy.Database.
func (d stackDatabase) Open(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error) {
	r, err := d.function.Open(ctx, t)
	if err != nil {
		return nil, lambdaError(err)
	}
	return convertedReader{r}, nil
}

// Cancel implements sqlproxy.Database.
func (d stackDatabase) Cancel(ctx context.Context, token string) (int, error) {
	return d.function.Cancel(ctx, token)
}

type convertedReader struct{ io.ReadCloser }

func (r convertedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = lambdaError(err)
	}
	return n, err
}

// sqlError is a failed call of the function, with the SQLSTATE that a client gets. For
// the command line it is the error of AWS.
type sqlError struct {
	client *sqlproxy.Error
	err    error
}

func (e *sqlError) Error() string { return e.err.Error() }

// Hint implements the command line's hints.
func (e *sqlError) Hint() string { return e.client.Hint() }

// Unwrap returns both.
func (e *sqlError) Unwrap() []error { return []error{e.err, e.client} }

func lambdaError(err error) error {
	code, hint := "58000", "`streamctl logs query` shows the function's log"
	var rejected smithy.APIError
	if errors.As(err, &rejected) {
		switch rejected.ErrorCode() {
		case "AccessDeniedException", "AccessDenied":
			code, hint = "42501", "attach the policy in the output SqlPolicyArn (`streamctl outputs`) to this user or role"
		case "TooManyRequestsException", "ThrottlingException", "ServiceQuotaExceededException":
			code, hint = "53300", "Lambda's concurrent executions are in use; try again, or raise the account's quota"
		}
	}
	return &sqlError{sqlproxy.NewError(code, err.Error(), hint), err}
}
