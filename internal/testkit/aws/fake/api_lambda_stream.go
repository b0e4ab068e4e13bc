package fake

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/streamctl/streamctl/internal/pause"
)

// Lambda's limits of a streamed response: the rate applies after the burst.
const (
	streamLimit = 200 << 20
	streamBurst = 6 << 20
	streamRate  = 2 << 20
)

// errStreamTooLarge is a response that is larger than streamLimit.
var errStreamTooLarge = errors.New("the response is larger than 200 MB")

// streamResponse passes the bootstrap's response on as it comes.
func streamResponse(inv *invocation, r *http.Request) result {
	_, err := io.Copy(inv.stream, r.Body)
	switch kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); {
	case errors.Is(err, errStreamTooLarge):
		_, _ = io.Copy(io.Discard, r.Body) // the function continues
		return failedResult(inv.id, "Function.ResponseSizeTooLarge", err.Error())
	case err != nil:
		_, _ = io.Copy(io.Discard, r.Body) // the caller left, and the function continues
		return result{requestID: inv.id, payload: nil}
	case kind != "":
		body, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil {
			body = []byte(`{}`)
		}
		return result{requestID: inv.id, payload: body, functionError: kind}
	}
	return result{requestID: inv.id}
}

// serveStream handles InvokeWithResponseStream.
func (f lambdaAPI) serveStream(w http.ResponseWriter, r *request, fn *function) {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.Header().Set("X-Amz-Executed-Version", fn.version)
	events := &eventWriter{ctx: r.Context(), w: w, rate: cmp.Or(f.options.StreamRate, streamRate), begin: time.Now()}
	// The function continues when the caller has left.
	ctx := context.WithoutCancel(r.Context())
	res, err := f.functions.invokeStream(ctx, fn, r.body, events)
	complete := map[string]string{}
	switch {
	case err != nil:
		complete["ErrorCode"], complete["ErrorDetails"] = "ServiceException", err.Error()
	case res.functionError != "":
		complete["ErrorCode"], complete["ErrorDetails"] = res.functionError, string(res.payload)
	}
	body, err := json.Marshal(complete)
	if err == nil {
		err = events.send("InvokeComplete", "application/json", body)
	}
	if err != nil {
		f.options.Log.WarnContext(r.Context(), "streamed response not sent", "err", err)
	}
}

// eventWriter writes each part of a response as an event.
type eventWriter struct {
	ctx   context.Context
	w     http.ResponseWriter
	rate  int
	begin time.Time
	sent  int
}

// Write sends a part of the response, at the allowed rate.
func (e *eventWriter) Write(p []byte) (int, error) {
	if e.sent += len(p); e.sent > streamLimit {
		return 0, errStreamTooLarge
	}
	if over := e.sent - streamBurst; over > 0 {
		due := time.Duration(float64(over) / float64(e.rate) * float64(time.Second))
		if wait := due - time.Since(e.begin); wait > 0 {
			if err := pause.For(e.ctx, wait); err != nil {
				return 0, err
			}
		}
	}
	if err := e.send("PayloadChunk", "application/octet-stream", p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *eventWriter) send(kind, contentType string, payload []byte) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	m.Headers.Set(":event-type", eventstream.StringValue(kind))
	m.Headers.Set(":content-type", eventstream.StringValue(contentType))
	if err := eventstream.NewEncoder().Encode(e.w, m); err != nil {
		return err
	}
	return http.NewResponseController(e.w).Flush()
}
