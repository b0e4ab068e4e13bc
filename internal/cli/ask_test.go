package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAskLine(t *testing.T) {
	for _, tt := range []struct{ typed, want string }{{"yes\n", "yes"}, {" yes \r\n", "yes"}, {"yes", "yes"}} {
		a := &App{Stdin: strings.NewReader(tt.typed)}
		if got, err := a.askLine(t.Context()); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v", tt.typed, got, err)
		}
	}
	a := &App{Stdin: strings.NewReader("")}
	if _, err := a.askLine(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("nothing typed: %v", err)
	}
}

// TestAskIsInterrupted asks a question that gets no answer.
func TestAskIsInterrupted(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &App{Stdin: r}
	if _, err := a.askLine(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
