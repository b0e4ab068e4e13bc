package stack

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/pattern"
)

// Creation is the history of a stack's create, read from its events.
type Creation struct {
	// Token is the create's request token; empty if the events do not contain it.
	Token string
	// Completed reports that the stack was complete at some time.
	Completed bool
	// Failed is when the create failed or was canceled; zero if it was not.
	Failed time.Time
}

// deployToken matches the request tokens of this program's creates and updates.
var deployToken = pattern.New(`^deploy-[0-9a-f]{16}-`)

// Own reports whether this program began the create.
func (c Creation) Own() bool { return deployToken.MatchString(c.Token) }

// ReadCreation reads the history of a stack's create. CloudFormation keeps the events of
// 90 days.
func ReadCreation(ctx context.Context, c *Client, s Stack) (Creation, error) {
	events, err := newOperation(c, s.ID, "", opOther).newEvents(ctx, c.API)
	var out Creation
	for _, e := range events {
		if e.Type != stackType || e.PhysicalID != s.ID {
			continue
		}
		switch Status(e.Status) {
		case StatusCreating:
			out.Token = e.token
		case StatusCreated, StatusUpdated:
			out.Completed = true
		case StatusCreateFailed, StatusRollingBack, StatusRollbackFailed, StatusRollbackComplete, StatusDeleting:
			if out.Failed.IsZero() {
				out.Failed = e.Time
			}
		}
	}
	return out, err
}
