// Package invocation has what surrounds a handler in every invocation, on Lambda and
// on one machine: it decodes the payload, measures the time, and names the request in the
// log. It does not import Lambda's runtime, which uses reflection on methods: with it, the
// linker keeps every method of every type, and the program has three times the size.
package invocation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// Handler handles an invocation. The payload and the response are JSON. Handlers of
// Lambda's runtime satisfy it.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// JSON returns a handler that decodes the payload and encodes the response as Lambda's
// runtime does.
func JSON[In, Out any](handle func(context.Context, In) (Out, error)) Handler {
	return function[In, Out](handle)
}

type function[In, Out any] func(context.Context, In) (Out, error)

// Invoke implements Handler.
func (handle function[In, Out]) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	out, err := handle(ctx, in)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
