package deploy_test

import (
	"errors"
	"fmt"
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
	known := map[deploy.Status]bool{}
	for _, s := range deploy.States() {
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
		if !known[deploy.Status(s)] {
			t.Errorf("%s isn't in the table", s)
		}
	}
}

// inStatus makes a stack and gives it a status; StatusNone makes none.
func inStatus(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, status deploy.Status) {
	t.Helper()
	if status == deploy.StatusNone {
		return
	}
	apply(t, op, request(t, "one", false))
	if status == deploy.StatusDeleteComplete {
		p, err := op.PlanDestroy(t.Context(), "events")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := op.Destroy(t.Context(), p, true); err != nil {
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
	for _, s := range deploy.States() {
		t.Run(string(s.Status), func(t *testing.T) {
			op, fake, _ := operator(t, awsfake.Options{})
			inStatus(t, op, fake, s.Status)
			r := request(t, "two", false)
			var agreed string
			r.Agree = func(what, question string) error { agreed = what + " " + question; return nil }
			outcome, err := op.Apply(t.Context(), r)
			var busy *deploy.BusyError
			var state *deploy.StateError
			switch s.Deploy {
			case deploy.Create:
				if err != nil || !outcome.Created {
					t.Errorf("%+v, %v", outcome, err)
				}
			case deploy.Update:
				if err != nil || outcome.Created || outcome.Stack.Status != "UPDATE_COMPLETE" {
					t.Errorf("%+v, %v", outcome, err)
				}
			case deploy.Attach, deploy.Wait:
				if !errors.As(err, &busy) || busy.Status != string(s.Status) || busy.Since == "" || busy.Meaning != s.Meaning {
					t.Errorf("%v", err)
				}
			case deploy.Replace:
				if err != nil || !outcome.Created || !strings.Contains(agreed, "it still holds AWS::S3::Bucket") || !strings.Contains(agreed, s.Meaning) {
					t.Errorf("%+v, %v; agreed to %q", outcome, err, agreed)
				}
			default:
				if !errors.As(err, &state) || state.Meaning != s.Meaning || len(state.Holds) == 0 || state.Hint() != s.Next || s.Next == "" {
					t.Errorf("%v", err)
				}
				if stack, err := op.Describe(t.Context(), "events"); err != nil || stack.Status != s.Status {
					t.Errorf("it was changed: %v, %v", stack.Status, err)
				}
			}
		})
	}
}

// TestEveryStatusDestroy destroys a stack in each status.
func TestEveryStatusDestroy(t *testing.T) {
	for _, s := range deploy.States() {
		t.Run(string(s.Status), func(t *testing.T) {
			op, fake, _ := operator(t, awsfake.Options{})
			inStatus(t, op, fake, s.Status)
			p, err := op.PlanDestroy(t.Context(), "events")
			var busy *deploy.BusyError
			switch s.Destroy {
			case deploy.Nothing:
				if !deploy.IsNotFound(err) {
					t.Errorf("%v", err)
				}
				return
			case deploy.Wait:
				if !errors.As(err, &busy) || busy.Meaning != s.Meaning {
					t.Errorf("%v", err)
				}
				return
			case deploy.Refuse:
				if err == nil {
					t.Error("it wasn't refused")
				}
				return
			case deploy.Attach:
				go func() { // somebody else's delete ends
					_ = pause.For(t.Context(), 50*time.Millisecond)
					if err := fake.SetStackStatus("events", string(deploy.StatusDeleteComplete)); err != nil {
						t.Error(err)
					}
				}()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := op.Destroy(t.Context(), p, true); err != nil {
				t.Fatal(err)
			}
			if _, err := op.Describe(t.Context(), "events"); !deploy.IsNotFound(err) {
				t.Errorf("after it: %v", err)
			}
		})
	}
}
