package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
)

// RequestTime bounds a request of the API: API Gateway gives up after 29 s, and the
// function's own timeout is for SQL statements.
const RequestTime = 20 * time.Second

// SQL runs statements; *sqlrun.Runner satisfies it.
type SQL interface {
	// Open returns PostgreSQL's messages. Closing the reader cancels the statement.
	Open(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error)
	// Collect returns the messages, or an error message if they are too large.
	Collect(ctx context.Context, t contract.SQLTask) contract.SQLResponse
	// Cancel returns the number of statements that it canceled.
	Cancel(ctx context.Context, token string) (canceled int, err error)
}

// Server handles the function's invocations: events of the API, and SQL tasks of
// callers that may invoke the function.
type Server struct {
	// API handles an event of API Gateway within RequestTime.
	API invocation.Handler
	SQL SQL
}

// Serve handles one invocation. The reader of a streamed result must be read to its
// end.
func (s Server) Serve(ctx context.Context, payload json.RawMessage) (io.Reader, error) {
	task, ok, err := readTask(payload)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		ctx, cancel := context.WithTimeout(ctx, RequestTime)
		defer cancel()
		response, err := s.API.Invoke(ctx, payload)
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(response), nil
	case task.Cancel:
		canceled, err := s.SQL.Cancel(ctx, task.Token)
		if err != nil {
			return nil, err
		}
		return encode(contract.SQLResponse{Canceled: canceled})
	case !task.Stream:
		return encode(s.SQL.Collect(ctx, task))
	}
	return s.SQL.Open(ctx, task)
}

// readTask reads an SQL task; ok is false for an event of the API. The API passes a
// client's data only inside of its own fields, so an event with one of these fields is
// never SQL.
func readTask(payload []byte) (t contract.SQLTask, ok bool, err error) {
	var fields map[string]jsontext.Value
	if jsonv2.Unmarshal(payload, &fields) != nil || fields["sql"] == nil {
		return t, false, nil
	}
	for _, name := range []string{"resource", "path", "httpMethod", "requestContext", "headers", "body"} {
		if _, found := fields[name]; found {
			return t, false, nil
		}
	}
	var in contract.SQLInput
	if err := jsonv2.Unmarshal(payload, &in, jsonv2.RejectUnknownMembers(true)); err != nil {
		return t, false, fmt.Errorf("read SQL task: %w", err)
	}
	if in.SQL == nil {
		return t, false, errors.New("read SQL task: sql is null")
	}
	return *in.SQL, true, nil
}

func encode(r contract.SQLResponse) (io.Reader, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode SQL response: %w", err)
	}
	return bytes.NewReader(text), nil
}
