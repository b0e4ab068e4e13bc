package cfn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

// ServeAction serves one call of the Query protocol.
func (s *Service) ServeAction(w http.ResponseWriter, r *http.Request, f wire.Form) {
	action := f.Get("Action")
	result, err := s.api.act(r.Context(), action, f)
	if err != nil {
		wire.WriteQueryError(w, err)
		return
	}
	wire.WriteQuery(w, namespace, action, result...)
}

func (s api) act(ctx context.Context, action string, f wire.Form) ([]wire.Node, error) {
	switch action {
	case "CreateStack":
		return s.actCreate(ctx, f)
	case "UpdateStack":
		return s.actUpdate(ctx, f)
	case "DeleteStack":
		return nil, s.actDelete(f)
	case "CancelUpdateStack":
		return nil, s.actCancel(f)
	case "ContinueUpdateRollback":
		return nil, s.actContinue(f)
	case "CreateChangeSet":
		c, st, err := s.changeSets.createChangeSet(ctx, f)
		if err != nil {
			return nil, err
		}
		return []wire.Node{wire.Text("Id", c.id), wire.Text("StackId", st.id)}, nil
	case "ExecuteChangeSet":
		if err := s.changeSets.executeChangeSet(f); !errors.Is(err, errRepeated) {
			return nil, err
		}
		return nil, nil
	case "DeleteChangeSet":
		return nil, s.changeSets.deleteChangeSet(f)
	case "UpdateTerminationProtection":
		return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
			st.protected = f.Bool("EnableTerminationProtection")
			return []wire.Node{wire.Text("StackId", st.id)}, nil
		})
	case "SetStackPolicy":
		return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
			st.policy = f.Get("StackPolicyBody")
			return nil, nil
		})
	case "GetStackPolicy":
		return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
			return []wire.Node{wire.Optional("StackPolicyBody", st.policy)}, nil
		})
	}
	return s.read(ctx, action, f)
}

// withStack runs do, under the lock, for the stack of a request.
func (s api) withStack(f wire.Form, missing string, do func(*stack) ([]wire.Node, error)) ([]wire.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(f.Get("StackName"))
	if st == nil {
		return nil, invalid(missing, f.Get("StackName"))
	}
	return do(st)
}

func (s api) actCreate(ctx context.Context, f wire.Form) ([]wire.Node, error) {
	name := f.Get("StackName")
	if err := checkStackName(name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.find(name); st != nil {
		if token := f.Get("ClientRequestToken"); token != "" && st.tokens[token] == "CreateStack" {
			return []wire.Node{wire.Text("StackId", st.id)}, nil
		}
		return nil, wire.Errorf("AlreadyExistsException", "Stack [%s] already exists", name)
	}
	if f.Get("OnFailure") != "" && f.Get("DisableRollback") != "" {
		return nil, invalid("Only one of OnFailure and DisableRollback may be specified.")
	}
	in, err := s.readInput(ctx, f, nil)
	if err != nil {
		return nil, err
	}
	st := s.newStack(name)
	if err := st.useToken(f.Get("ClientRequestToken"), "CreateStack"); err != nil {
		return nil, err
	}
	st.template, st.params, st.tags, st.capabilities = in.template, in.params, in.tags, in.capabilities
	st.protected = f.Bool("EnableTerminationProtection")
	st.retainExceptOnCreate = f.Bool("RetainExceptOnCreate")
	st.roleARN, st.policy = f.Get("RoleARN"), f.Get("StackPolicyBody")
	if f.Get("OnFailure") != "" {
		st.onFailure = f.Get("OnFailure")
	}
	if f.Bool("DisableRollback") {
		st.onFailure = "DO_NOTHING"
	}
	st.operations = append(st.operations, s.takeFindings("CREATE_STACK"))
	if reason := st.operations[0].failure(); reason != "" {
		s.rejectEarly(st, "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", reason)
	} else {
		s.begin(st, "CREATE_IN_PROGRESS", "User Initiated", s.worker.createStack(st))
	}
	return []wire.Node{wire.Text("StackId", st.id)}, nil
}

func (s api) actUpdate(ctx context.Context, f wire.Form) ([]wire.Node, error) {
	return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
		id := []wire.Node{wire.Text("StackId", st.id)}
		if token := f.Get("ClientRequestToken"); token != "" && st.tokens[token] == "UpdateStack" {
			return id, nil
		}
		if !updatable(st.status) {
			return nil, invalid("Stack:%s is in %s state and can not be updated.", st.id, st.status)
		}
		in, err := s.readInput(ctx, f, st)
		if err != nil {
			return nil, err
		}
		changes, err := s.changeSets.plan(st, in)
		if err != nil {
			return nil, err
		}
		if len(changes) == 0 && !s.changeSets.outputsOrTagsChange(st, in) {
			return nil, invalid("No updates are to be performed.")
		}
		if err := st.useToken(f.Get("ClientRequestToken"), "UpdateStack"); err != nil {
			return nil, err
		}
		st.capabilities, st.changeSets = in.capabilities, nil
		st.during = f.Get("StackPolicyDuringUpdateBody")
		if body := f.Get("StackPolicyBody"); body != "" {
			st.policy = body
		}
		st.operations = append(st.operations, s.takeFindings("UPDATE_STACK"))
		if reason := st.operations[len(st.operations)-1].failure(); reason != "" {
			s.rejectEarly(st, "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", reason)
			return id, nil
		}
		s.begin(st, "UPDATE_IN_PROGRESS", "User Initiated", s.worker.updateStack(st, in.template, in.params, in.tags))
		return id, nil
	})
}

func (s api) actDelete(f wire.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(f.Get("StackName"))
	if st == nil || st.status == "DELETE_COMPLETE" || st.status == "DELETE_IN_PROGRESS" {
		return nil
	}
	retain := f.List("RetainResources")
	switch {
	case st.protected:
		return invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", st.name)
	case slices.Contains([]string{"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"}, st.status):
		return invalid("Stack [%s] cannot be deleted while in status %s", st.id, st.status)
	case len(retain) > 0 && st.status != "DELETE_FAILED":
		return invalid("Invalid operation on stack [%s]. RetainResources can only be specified for a stack in the DELETE_FAILED state.", st.id)
	}
	for _, id := range retain {
		if _, ok := st.resources[id]; !ok {
			return invalid("The specified resources to retain must be in a valid state. Resource %s is not", id)
		}
	}
	if err := st.useToken(f.Get("ClientRequestToken"), "DeleteStack"); err != nil && !errors.Is(err, errRepeated) {
		return err
	}
	st.changeSets = nil
	s.begin(st, "DELETE_IN_PROGRESS", "User Initiated", s.worker.deleteStack(st, retain))
	return nil
}

func (s api) actCancel(f wire.Form) error {
	_, err := s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
		if st.status != "UPDATE_IN_PROGRESS" {
			return nil, invalid("CancelUpdateStack cannot be called from current stack status")
		}
		st.cancel()
		return nil, nil
	})
	return err
}

func (s api) actContinue(f wire.Form) error {
	_, err := s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
		if st.status != "UPDATE_ROLLBACK_FAILED" || st.failed == nil {
			return nil, invalid("Stack:%s is in %s state and can not continue update rollback", st.id, st.status)
		}
		skip := f.List("ResourcesToSkip")
		for _, id := range skip {
			if r, ok := st.resources[id]; !ok || r.status != "UPDATE_FAILED" {
				return nil, invalid("The following resources cannot be skipped: [%s]", id)
			}
		}
		if err := st.useToken(f.Get("ClientRequestToken"), "ContinueUpdateRollback"); err != nil {
			return nil, err
		}
		failed := st.failed
		s.begin(st, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated", func(op operation) { s.worker.rollBack(op, st, failed, skip...) })
		return nil, nil
	})
	return err
}

func notSupported(action string) error {
	return &wire.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: fmt.Sprintf("the fake does not support cloudformation:%s", action)}
}
