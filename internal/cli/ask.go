package cli

import (
	"bufio"
	"context"
	"strings"
)

// ask reads an answer from a person, a file or a pipe, and ends with the context, so
// that an interrupt ends the program at a question too. An abandoned read stays blocked
// until the program ends.
func ask[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := read()
		answers <- answer{value, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	case a := <-answers:
		return a.value, a.err
	}
}

// askLine reads a line without its end.
func (a *App) askLine(ctx context.Context) (string, error) {
	return ask(ctx, func() (string, error) {
		line, err := bufio.NewReader(a.Stdin).ReadString('\n')
		if line != "" {
			err = nil // the last line may lack its end
		}
		return strings.TrimSpace(line), err
	})
}
