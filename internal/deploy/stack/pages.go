package stack

import (
	"context"
	"fmt"
)

// MaxPages bounds the pages of a list, which CloudFormation and the other services never
// reach with the resources of a stack: a response that refers to itself would be read
// forever.
const MaxPages = 1000

// Pager reads a list in pages; the SDK's paginators satisfy it.
type Pager[Page, Options any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(Options)) (Page, error)
}

// Limited is a Pager with at most MaxPages pages; the next one is a *PagesError.
type Limited[Page, Options any] struct {
	pager Pager[Page, Options]
	what  string
	n     int
}

// Limit bounds a pager. What describes the list.
func Limit[Page, Options any](what string, pager Pager[Page, Options]) *Limited[Page, Options] {
	return &Limited[Page, Options]{pager: pager, what: what}
}

// HasMorePages reports whether there is another page.
func (l *Limited[Page, Options]) HasMorePages() bool { return l.pager.HasMorePages() }

// NextPage reads the next page.
func (l *Limited[Page, Options]) NextPage(ctx context.Context) (Page, error) {
	if l.n++; l.n > MaxPages {
		var none Page
		return none, &PagesError{What: l.what}
	}
	return l.pager.NextPage(ctx)
}

// PagesError is a list that does not end.
type PagesError struct{ What string }

func (e *PagesError) Error() string {
	return fmt.Sprintf("%s: the list has more than %d pages", e.What, MaxPages)
}

// Hint is the next step for a user.
func (e *PagesError) Hint() string {
	return "AWS or the endpoint in AWS_ENDPOINT_URL responds with pages that never end: run the same command again"
}
