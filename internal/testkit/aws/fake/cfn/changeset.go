package cfn

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

// changeSet is a prepared creation or update.
type changeSet struct {
	id, name, description   string
	creates                 bool
	status, reason, execute string
	template                *Template
	params                  map[string]string
	tags                    []Tag
	capabilities            []string
	onFailure               string
	changes                 []change
	validation              recordedOperation
	created                 time.Time
	ready                   time.Time // until then it is CREATE_IN_PROGRESS
}

func (c *changeSet) state() (status, execution string) {
	if time.Now().Before(c.ready) {
		return "CREATE_IN_PROGRESS", "UNAVAILABLE"
	}
	return c.status, c.execute
}

// input is the common input of CreateStack, UpdateStack and CreateChangeSet.
type input struct {
	template     *Template
	params       map[string]string
	tags         []Tag
	hasTags      bool
	capabilities []string
}

func (s changeSets) createChangeSet(ctx context.Context, f wire.Form) (*changeSet, *stack, error) {
	name, stackName := f.Get("ChangeSetName"), f.Get("StackName")
	if !stackNamePattern.MatchString(name) || len(name) > 128 {
		return nil, nil, invalid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	creates := f.Get("ChangeSetType") == "CREATE"
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(stackName)
	switch {
	case creates && st != nil && st.status != "REVIEW_IN_PROGRESS":
		return nil, nil, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", stackName, name)
	case !creates && st == nil:
		return nil, nil, invalid("Stack [%s] does not exist", stackName)
	case !creates && !updatable(st.status):
		return nil, nil, invalid("Stack:%s is in %s state and can not be updated.", st.id, st.status)
	}
	if st != nil && slices.ContainsFunc(st.changeSets, func(c *changeSet) bool { return c.name == name }) {
		return nil, nil, wire.Errorf("AlreadyExistsException", "ChangeSet %s already exists", name)
	}
	in, err := s.api.readInput(ctx, f, st)
	if err != nil {
		return nil, nil, err
	}
	if creates && st == nil {
		if err := checkStackName(stackName); err != nil {
			return nil, nil, err
		}
		st = s.newStack(stackName)
		st.token = f.Get("ClientToken")
		s.setStatus(st, "REVIEW_IN_PROGRESS", "User Initiated")
	}
	c := &changeSet{
		name: name, description: f.Get("Description"), creates: creates, template: in.template, params: in.params, tags: in.tags,
		capabilities: in.capabilities, onFailure: f.Get("OnStackFailure"), created: time.Now(),
		status: "CREATE_COMPLETE", execute: "AVAILABLE",
		id: fmt.Sprintf("arn:aws:cloudformation:%s:%s:changeSet/%s/%s", s.options.Region, s.options.Account, name, wire.NewUUID()),
	}
	c.ready = c.created
	if s.options.Delay != nil {
		c.ready = c.created.Add(s.options.Delay("AWS::CloudFormation::ChangeSet"))
	}
	c.changes, err = s.plan(st, in)
	if err != nil {
		return nil, nil, err
	}
	if !creates && len(c.changes) == 0 && !s.outputsOrTagsChange(st, in) {
		c.status, c.execute, c.reason = "FAILED", "UNAVAILABLE", noChanges
	}
	if c.status != "FAILED" {
		c.validation = s.takeFindings("CREATE_CHANGESET")
		if reason := c.validation.failure(); reason != "" {
			c.status, c.execute, c.reason = "FAILED", "UNAVAILABLE", reason
		}
	}
	st.changeSets = append(st.changeSets, c)
	return c, st, nil
}

// outputsOrTagsChange reports whether an update without resource changes has
// other changes.
func (s changeSets) outputsOrTagsChange(st *stack, in input) bool {
	if in.hasTags && !slices.Equal(st.tags, in.tags) {
		return true
	}
	sc := s.newScope(st, in.template, in.params, func(id, attribute string) (any, bool) {
		r, ok := st.resources[id]
		if !ok {
			return nil, false
		}
		return r.value(attribute), true
	})
	outputs, err := evalOutputs(sc)
	return err == nil && !slices.Equal(outputs, st.outputs)
}

func (s changeSets) findChangeSet(f wire.Form) (*changeSet, *stack, error) {
	name := f.Get("ChangeSetName")
	st := s.find(f.Get("StackName"))
	if st == nil && f.Get("StackName") != "" {
		return nil, nil, invalid("Stack [%s] does not exist", f.Get("StackName"))
	}
	for _, candidate := range s.stacks {
		if st != nil && candidate != st {
			continue
		}
		for _, c := range candidate.changeSets {
			if c.id == name || st != nil && c.name == name {
				return c, candidate, nil
			}
		}
	}
	return nil, nil, &wire.Error{Status: 404, Code: "ChangeSetNotFound", Message: fmt.Sprintf("ChangeSet [%s] does not exist", name)}
}

func (s changeSets) executeChangeSet(f wire.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st, err := s.findChangeSet(f)
	if err != nil {
		return err
	}
	status, execution := c.state()
	if execution != "AVAILABLE" {
		return wire.Errorf("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current status of [%s]", c.id, status)
	}
	if !c.creates && !updatable(st.status) {
		return invalid("Stack:%s is in %s state and can not be updated.", st.id, st.status)
	}
	if err := st.useToken(f.Get("ClientRequestToken"), "ExecuteChangeSet "+c.id); err != nil {
		return err
	}
	st.during = ""
	st.changeSets = []*changeSet{c} // executing a change set deletes all others
	c.execute = "EXECUTE_COMPLETE"
	st.capabilities = c.capabilities
	if c.creates {
		if c.onFailure != "" {
			st.onFailure = c.onFailure
		}
		if f.Bool("DisableRollback") {
			st.onFailure = "DO_NOTHING"
		}
		st.template, st.params, st.tags = c.template, c.params, c.tags
		s.begin(st, "CREATE_IN_PROGRESS", "User Initiated", s.worker.createStack(st))
		return nil
	}
	st.operations = append(st.operations, s.takeFindings("UPDATE_STACK"))
	if reason := st.operations[len(st.operations)-1].failure(); reason != "" {
		s.rejectEarly(st, "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", reason)
		return nil
	}
	s.begin(st, "UPDATE_IN_PROGRESS", "User Initiated", s.worker.updateStack(st, c.template, c.params, c.tags))
	return nil
}

func (s changeSets) deleteChangeSet(f wire.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st, err := s.findChangeSet(f)
	if err != nil {
		if wire.AsError(err).Code == "ChangeSetNotFound" {
			return nil // deleting a missing change set is not an error
		}
		return err
	}
	st.changeSets = slices.DeleteFunc(st.changeSets, func(other *changeSet) bool { return other == c })
	return nil
}

// updatable reports whether a stack in this status can be updated.
func updatable(status string) bool {
	switch status {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE":
		return true
	}
	return false
}
