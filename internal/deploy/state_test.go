package deploy_test

import (
	"errors"
	"fmt"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/pause"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestStatesAreWhole compares the table with the statuses that the SDK knows,
// and with its page.
func TestStatesAreWhole(t *testing.T) {
	page, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[stack.Status]bool{}
	for _, s := range stack.States() {
		known[s.Status] = true
		outputs := "no"
		if s.Outputs {
			outputs = "yes"
		}
		line := fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", s.Status, s.Meaning, s.Deploy, s.Destroy, outputs, s.Next)
		if !strings.Contains(string(page), line+"\n") {
			t.Errorf("docs/states.md lacks the line\n%s", line)
		}
	}
	for _, s := range types.StackStatus("").Values() {
		if !known[stack.Status(s)] {
			t.Errorf("%s isn't in the table", s)
		}
	}
}

// inStatus creates a stack and sets its status; StatusNone creates none.
func inStatus(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, status stack.Status) {
	t.Helper()
	if status == stack.StatusNone {
		return
	}
	apply(t, op, request(t, "one", false))
	if status == stack.StatusDeleteComplete {
		if _, err := op.Destroy(t.Context(), plan(t, op, lift)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := fake.SetStackStatus("events", string(status)); err != nil {
		t.Fatal(err)
	}
}

// TestEveryStatusDeploy deploys onto a stack in each status.
func TestEveryStatusDeploy(t *testing.T) {
	for _, s := range stack.States() {
		t.Run(string(s.Status), func(t *testing.T) {
			op, fake, _ := operator(t, awsfake.Options{})
			inStatus(t, op, fake, s.Status)
			r := request(t, "two", false)
			var agreed string
			r.Agree = func(what, question string) error { agreed = what + " " + question; return nil }
			outcome, err := run(t.Context(), op, r)
			var busy *stack.BusyError
			var state *stack.StateError
			switch s.Deploy {
			case stack.Create:
				if err != nil || !outcome.Created {
					t.Errorf("%+v, %v", outcome, err)
				}
			case stack.Update:
				if err != nil || outcome.Created || outcome.Stack.Status != "UPDATE_COMPLETE" {
					t.Errorf("%+v, %v", outcome, err)
				}
			case stack.Attach, stack.Wait:
				if !errors.As(err, &busy) || busy.Status != s.Status || busy.Since.IsZero() || !strings.Contains(err.Error(), s.Meaning) {
					t.Errorf("%v", err)
				}
			case stack.Recreate:
				if err != nil || !outcome.Created || !strings.Contains(agreed, "remaining: AWS::S3::Bucket") || !strings.Contains(agreed, s.Meaning) {
					t.Errorf("%+v, %v; agreed to %q", outcome, err, agreed)
				}
			default:
				if !errors.As(err, &state) || !strings.Contains(err.Error(), s.Meaning) || len(state.Holds) == 0 || state.Hint() != s.Next || s.Next == "" {
					t.Errorf("%v", err)
				}
				if made, err := op.Describe(t.Context(), "events"); err != nil || made.Status != s.Status {
					t.Errorf("it was changed: %v, %v", made.Status, err)
				}
			}
		})
	}
}

// TestEveryStatusDestroy destroys a stack in each status.
func TestEveryStatusDestroy(t *testing.T) {
	for _, s := range stack.States() {
		t.Run(string(s.Status), func(t *testing.T) {
			op, fake, _ := operator(t, awsfake.Options{})
			inStatus(t, op, fake, s.Status)
			p, err := op.PlanDestroy(t.Context(), "events", deploy.DestroyOptions{LiftProtection: true})
			var busy *stack.BusyError
			switch s.Destroy {
			case stack.Nothing:
				if !errors.Is(err, stack.ErrNotFound) {
					t.Errorf("%v", err)
				}
				return
			case stack.Wait:
				if !errors.As(err, &busy) || !strings.Contains(err.Error(), s.Meaning) {
					t.Errorf("%v", err)
				}
				return
			case stack.Refuse:
				if err == nil {
					t.Error("it wasn't refused")
				}
				return
			case stack.Attach:
				go func() { // another operator's delete ends
					_ = pause.For(t.Context(), 50*time.Millisecond)
					if err := fake.SetStackStatus("events", string(stack.StatusDeleteComplete)); err != nil {
						t.Error(err)
					}
				}()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := op.Destroy(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if _, err := op.Describe(t.Context(), "events"); !errors.Is(err, stack.ErrNotFound) {
				t.Errorf("after it: %v", err)
			}
		})
	}
}
