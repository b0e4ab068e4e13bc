package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// SQLFunction runs SQL statements in the stack's query function. It is safe for
// concurrent use.
type SQLFunction struct {
	api *lambda.Client
	// name is the function's name, or the ARN of its alias.
	name string
	// buffered is set when Lambda does not stream responses.
	buffered atomic.Bool
}

// SQL finds the stack's query function: its alias if it has one, because only the alias
// has executions that are kept ready.
func (o *Operator) SQL(ctx context.Context, s stack.Stack, functionID, aliasID string) (*SQLFunction, error) {
	resources, err := o.parts().stacks.Resources(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	f := &SQLFunction{api: o.Lambda}
	for _, r := range resources {
		if r.LogicalID == aliasID || r.LogicalID == functionID && f.name == "" {
			f.name = r.PhysicalID
		}
	}
	if f.name == "" {
		return nil, fmt.Errorf("find %s in stack %s: it has no such function yet", functionID, s.Name)
	}
	return f, nil
}

// Buffer asks for whole responses from now on, as where Lambda does not stream.
func (f *SQLFunction) Buffer() { f.buffered.Store(true) }

// Open starts a statement and returns PostgreSQL's messages. The error of the function
// is a *FunctionError, also that of a read.
func (f *SQLFunction) Open(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error) {
	if f.buffered.Load() {
		return f.collect(ctx, t)
	}
	payload, err := json.Marshal(contract.SQLInput{SQL: &t})
	if err != nil {
		return nil, fmt.Errorf("invoke %s: %w", f.name, err)
	}
	reading, cancel := context.WithCancel(ctx)
	out, err := f.api.InvokeWithResponseStream(reading, &lambda.InvokeWithResponseStreamInput{FunctionName: &f.name, Payload: payload})
	if err != nil {
		cancel()
		if doesNotStream(err) {
			f.Buffer()
			return f.collect(ctx, t)
		}
		return nil, fmt.Errorf("invoke %s: %w", f.name, err)
	}
	return &responseStream{function: f.name, stream: out.GetStream(), cancel: cancel}, nil
}

// doesNotStream reports whether Lambda has no streamed responses here: the path of the
// call does not exist, which is another error than a missing function.
func doesNotStream(err error) bool {
	var missing *types.ResourceNotFoundException
	var response *smithyhttp.ResponseError
	if errors.As(err, &missing) || !errors.As(err, &response) {
		return false
	}
	switch response.HTTPStatusCode() {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// collect runs a statement with a whole response.
func (f *SQLFunction) collect(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error) {
	t.Stream = false
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	go func() {
		defer cancel()
		var response contract.SQLResponse
		err := f.call(ctx, t, &response)
		if err == nil {
			_, err = writer.Write(response.Messages)
		}
		writer.CloseWithError(err)
	}()
	return &collected{reader, cancel}, nil
}

type collected struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close ends the call.
func (c *collected) Close() error {
	c.cancel()
	return c.PipeReader.Close()
}

// Cancel cancels the running statement with a token and returns how many there were.
func (f *SQLFunction) Cancel(ctx context.Context, token string) (canceled int, err error) {
	var response contract.SQLResponse
	err = f.call(ctx, contract.SQLTask{Token: token, Cancel: true}, &response)
	return response.Canceled, err
}

func (f *SQLFunction) call(ctx context.Context, t contract.SQLTask, response *contract.SQLResponse) error {
	return invoke(ctx, f.api, f.name, contract.SQLInput{SQL: &t}, response)
}

// responseStream reads a streamed response.
type responseStream struct {
	function string
	stream   *lambda.InvokeWithResponseStreamEventStream
	cancel   context.CancelFunc
	rest     []byte
	err      error
}

// Read returns the next bytes of the response.
func (r *responseStream) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		event, ok := <-r.stream.Events()
		if !ok {
			r.err = r.stream.Err()
			if r.err == nil {
				r.err = io.ErrUnexpectedEOF
			}
			break
		}
		switch event := event.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			r.rest = event.Value.Payload
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			r.err = io.EOF
			if code := aws.ToString(event.Value.ErrorCode); code != "" {
				r.err = &FunctionError{Function: r.function, Message: code + ": " + aws.ToString(event.Value.ErrorDetails)}
			}
		}
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends the response. The function continues: cancel its statement.
func (r *responseStream) Close() error {
	r.cancel()
	return r.stream.Close()
}
