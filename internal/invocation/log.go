package invocation

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// requestIDKey is the attribute with the id of the invocation, which Lambda's own lines
// have too.
const requestIDKey = "requestId"

// WithRequestID returns a handler that adds the id of the invocation to each record that
// is logged with its context.
func WithRequestID(next slog.Handler) slog.Handler { return requestID{next} }

type requestID struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestID) Handle(ctx context.Context, r slog.Record) error {
	if invocation, ok := lambdacontext.FromContext(ctx); ok && invocation.AwsRequestID != "" {
		r = r.Clone()
		r.AddAttrs(slog.String(requestIDKey, invocation.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestID{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestID) WithGroup(name string) slog.Handler { return requestID{h.Handler.WithGroup(name)} }
