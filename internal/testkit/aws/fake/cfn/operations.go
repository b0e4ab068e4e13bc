package cfn

import (
	"slices"
	"time"
)

// createStack creates a stack completely, or rolls back.
func (s worker) createStack(st *stack) func(operation) {
	return func(op operation) {
		c, err := s.newConvergence(st, st.template, st.params)
		var failed []string
		if err == nil {
			failed = c.run(op.work)
		}
		if op.superseded() || op.ctx.Err() != nil {
			return
		}
		if err == nil && len(failed) == 0 {
			if err = s.setOutputs(st, c.scope); err == nil {
				s.finish(st, "CREATE_COMPLETE", "")
				return
			}
		}
		reason := failedList("create", failed)
		if err != nil {
			reason = reasonOf(err) + ". "
		}
		switch st.onFailure {
		case "DO_NOTHING":
			s.finish(st, "CREATE_FAILED", reason)
		case "DELETE":
			s.finish(st, "DELETE_IN_PROGRESS", reason+"Delete requested by user.")
			s.removeAll(op, st, removal{rollback: true})
			s.endDelete(st, s.remaining(st))
		default:
			s.finish(st, "ROLLBACK_IN_PROGRESS", reason+"Rollback requested by user.")
			failed := s.removeAll(op, st, removal{rollback: true})
			if op.superseded() || op.ctx.Err() != nil {
				return // a DeleteStack began during the rollback
			}
			if len(failed) > 0 {
				s.finish(st, "ROLLBACK_FAILED", failedList("delete", failed))
				return
			}
			s.finish(st, "ROLLBACK_COMPLETE", "")
		}
	}
}

// updateStack updates a stack completely, or rolls back.
func (s worker) updateStack(st *stack, t *Template, params map[string]string, tags []Tag) func(operation) {
	return func(op operation) {
		s.mu.Lock()
		before := revision{template: st.template, params: st.params, tags: st.tags}
		st.template, st.params, st.tags = t, params, tags
		s.mu.Unlock()
		c, err := s.newConvergence(st, t, params)
		if err == nil {
			err = s.mayRemove(st, c.ids)
		}
		var failed []string
		if err == nil {
			failed = c.run(op.work)
		}
		if op.ctx.Err() != nil {
			return
		}
		if err == nil && len(failed) == 0 && op.work.Err() == nil {
			if err = s.setOutputs(st, c.scope); err == nil {
				s.cleanUp(op, st, c)
				return
			}
		}
		reason := failedList("update", failed)
		switch {
		case err != nil:
			reason = reasonOf(err) + ". "
		case op.work.Err() != nil:
			reason = "Stack update cancelled by user"
		}
		s.finish(st, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
		s.rollBack(op, st, &failedUpdate{convergence: c, before: before})
	}
}

// mayRemove checks the stack policy for the resources that an update drops.
func (s worker) mayRemove(st *stack, kept []string) error {
	s.mu.Lock()
	var denied *instance
	var err error
	for _, id := range sortedKeys(st.resources) {
		if reason := deniedBy(st.activePolicy(), id, "Update:Delete"); reason != "" && !slices.Contains(kept, id) {
			denied, err = st.resources[id], invalid("%s", reason)
			break
		}
	}
	s.mu.Unlock()
	if denied != nil {
		s.mark(st, denied, "UPDATE_FAILED", err)
	}
	return err
}

// cleanUp deletes the resources that an update replaced or removed.
func (s worker) cleanUp(op operation, st *stack, c *convergence) {
	s.finish(st, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "")
	var old []*instance
	s.mu.Lock()
	for _, id := range sortedKeys(st.resources) {
		if !slices.Contains(c.ids, id) {
			old = append(old, st.resources[id])
		}
	}
	s.mu.Unlock()
	failed := s.removeOld(op, st, old, c.replaced)
	if op.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	st.updated = time.Now()
	for _, r := range old {
		delete(st.resources, r.ID)
	}
	s.mu.Unlock()
	reason := ""
	if len(failed) > 0 {
		reason = "Update successful. One or more resources could not be deleted."
	}
	s.finish(st, "UPDATE_COMPLETE", reason)
}

// deleteStack deletes a stack. It does not touch logical ids in retain.
func (s worker) deleteStack(st *stack, retain []string) func(operation) {
	return func(op operation) {
		failed := s.removeAll(op, st, removal{retain: retain})
		if op.superseded() || op.ctx.Err() != nil {
			return
		}
		s.endDelete(st, failed)
	}
}

func (s worker) endDelete(st *stack, failed []string) {
	if len(failed) > 0 {
		s.finish(st, "DELETE_FAILED", failedList("delete", failed))
		return
	}
	s.mu.Lock()
	st.deleted = time.Now()
	st.outputs = nil
	s.mu.Unlock()
	s.finish(st, "DELETE_COMPLETE", "")
}

func (s worker) remaining(st *stack) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(st.resources)
}

func (s worker) setOutputs(st *stack, sc *scope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	outputs, err := evalOutputs(sc)
	if err != nil {
		return err
	}
	st.outputs = outputs
	return nil
}

// evalOutputs evaluates the outputs whose condition is true, by name.
func evalOutputs(sc *scope) ([]outputValue, error) {
	var out []outputValue
	for _, id := range sortedKeys(sc.template.Outputs) {
		o := sc.template.Outputs[id]
		if o.Condition != "" {
			yes, err := sc.condition(o.Condition)
			if err != nil {
				return nil, err
			}
			if !yes {
				continue
			}
		}
		v, err := sc.eval(o.Value)
		if err != nil {
			return nil, err
		}
		if !isScalar(v) {
			return nil, invalid("Template format error: Output %s is malformed. The Value field of every Outputs member must evaluate to a String.", id)
		}
		export, err := sc.eval(o.ExportName)
		if err != nil {
			return nil, err
		}
		out = append(out, outputValue{key: id, value: text(v), description: o.Description, export: text(export)})
	}
	return out, nil
}
