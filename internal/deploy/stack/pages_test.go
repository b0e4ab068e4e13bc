package stack_test

import (
	"context"
	"errors"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// endless is a list whose next page always exists.
type endless struct{ pages int }

func (*endless) HasMorePages() bool { return true }

func (e *endless) NextPage(context.Context, ...func(int)) (int, error) {
	e.pages++
	return e.pages, nil
}

// TestEndlessList ends a list that never ends with an error that has the list's name.
func TestEndlessList(t *testing.T) {
	list := &endless{}
	limited := stack.Limit[int, int]("stacks", list)
	var err error
	for limited.HasMorePages() && err == nil {
		_, err = limited.NextPage(t.Context())
	}
	var pages *stack.PagesError
	if !errors.As(err, &pages) || pages.What != "stacks" || list.pages != stack.MaxPages {
		t.Errorf("after %d pages: %v", list.pages, err)
	}
}
