package cfn

import (
	"context"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// removal describes how resources are deleted.
type removal struct {
	// rollback reports that the creation of the stack failed, so that
	// RetainExceptOnCreate deletes.
	rollback bool
	// retain lists the logical ids that DeleteStack must retain.
	retain []string
}

// removeAll deletes a stack's resources, dependents first; it returns those
// that could not be deleted.
func (s worker) removeAll(op operation, st *stack, how removal) []string {
	s.mu.Lock()
	ids := sortedKeys(st.resources)
	waits := map[string][]string{}
	for _, id := range ids {
		waits[id] = st.resources[id].dependencies
	}
	s.mu.Unlock()
	return walk(op.ctx, ids, reversed(waits), false, func(ctx context.Context, id string) error {
		s.mu.Lock()
		r := st.resources[id]
		s.mu.Unlock()
		policy := r.DeletionPolicy
		switch {
		case slices.Contains(how.retain, id):
			policy = "Retain"
		case policy == "RetainExceptOnCreate":
			policy = "Retain"
			if how.rollback || st.retainExceptOnCreate && how.rollback {
				policy = "Delete"
			}
		case policy == "Retain" && how.rollback && st.retainExceptOnCreate:
			policy = "Delete"
		}
		if err := s.remove(ctx, st, r, policy); err != nil {
			return err
		}
		s.mu.Lock()
		delete(st.resources, id)
		if r.status != "" {
			st.gone = append(st.gone, r)
		}
		s.mu.Unlock()
		return nil
	})
}

// removeOld deletes the remains of an update: removed resources by their
// deletion policy, replaced ones by their update-replace policy. It tries each
// three times and then orphans it; it returns the orphans' ids.
func (s worker) removeOld(op operation, st *stack, removed, replaced []*instance) []string {
	type item struct {
		r      *instance
		policy string
	}
	items := map[string]item{}
	waits := map[string][]string{}
	for _, r := range removed {
		items[r.ID] = item{r, plainPolicy(r.DeletionPolicy)}
		waits[r.ID] = r.dependencies
	}
	for _, r := range replaced {
		items[r.ID] = item{r, r.UpdateReplacePolicy}
		waits[r.ID] = r.dependencies
	}
	return walk(op.ctx, sortedKeys(items), reversed(waits), false, func(ctx context.Context, id string) error {
		it := items[id]
		var err error
		for range 3 {
			if err = s.remove(ctx, st, it.r, it.policy); err == nil || ctx.Err() != nil {
				return err
			}
		}
		s.leave(st, it.r, err.Error())
		return err
	})
}

// remove deletes one resource, or skips it by policy, and records the events.
func (s worker) remove(ctx context.Context, st *stack, r *instance, policy string) error {
	if r.physicalID == "" {
		s.mark(st, r, "DELETE_COMPLETE", nil)
		return nil
	}
	if policy == "Retain" {
		s.leave(st, r, "Retain")
		s.mark(st, r, "DELETE_SKIPPED", nil)
		return nil
	}
	s.mark(st, r, "DELETE_IN_PROGRESS", nil)
	request := s.request(st, r, nil, func(string) {})
	if policy == "Snapshot" {
		request.SnapshotID = snapshotName(st.name, r.ID)
	}
	err := s.delay(ctx, r.Type, "delete")
	if err == nil {
		err = s.injected(s.failDeletes, st, r.ID)
	}
	if err == nil {
		err = s.provider.Delete(ctx, request)
	}
	if err != nil {
		s.mark(st, r, "DELETE_FAILED", err)
		return err
	}
	s.mark(st, r, "DELETE_COMPLETE", nil)
	return nil
}

func (s worker) leave(st *stack, r *instance, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftovers = append(s.leftovers, Leftover{StackName: st.name, LogicalID: r.ID, Type: r.Type, PhysicalID: r.physicalID, Reason: reason})
}

// snapshotName returns CloudFormation's name for a final snapshot.
func snapshotName(stackName, logicalID string) string {
	return strings.ToLower(stackName) + "-snapshot-" + strings.ToLower(logicalID) + "-" + wire.NewID(6)
}

// revision is the state of a stack before an update.
type revision struct {
	template *Template
	params   map[string]string
	tags     []Tag
}

// failedUpdate is the state that a rollback needs, kept for
// ContinueUpdateRollback.
type failedUpdate struct {
	*convergence
	before revision
}

// rollBack restores the previous state of the resources of a failed update.
func (s worker) rollBack(op operation, st *stack, f *failedUpdate, skip ...string) {
	c := f.convergence
	s.mu.Lock()
	st.failed = f
	st.template, st.params, st.tags = f.before.template, f.before.params, f.before.tags
	ids := slices.DeleteFunc(slices.Clone(c.changed), func(id string) bool { return slices.Contains(skip, id) })
	s.mu.Unlock()
	failed := walk(op.ctx, ids, f.before.template.waitsFor(ids), false, func(ctx context.Context, id string) error {
		return s.restore(ctx, st, c, id)
	})
	if op.ctx.Err() != nil {
		return
	}
	if len(failed) > 0 {
		s.finish(st, "UPDATE_ROLLBACK_FAILED", failedList("update", failed))
		return
	}
	s.finish(st, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "")
	var added, replacements []*instance
	s.mu.Lock()
	for _, id := range c.made {
		added = append(added, st.resources[id])
		delete(st.resources, id)
	}
	replacements = c.newPhysicals
	st.failed = nil
	s.mu.Unlock()
	for _, r := range added {
		if r.DeletionPolicy == "RetainExceptOnCreate" {
			r.DeletionPolicy = "Delete"
		}
	}
	s.removeOld(op, st, added, replacements)
	if op.ctx.Err() == nil {
		s.finish(st, "UPDATE_ROLLBACK_COMPLETE", "")
	}
}

// restore restores one changed resource.
func (s worker) restore(ctx context.Context, st *stack, c *convergence, id string) error {
	s.mu.Lock()
	now, was := st.resources[id], *c.before[id]
	s.mu.Unlock()
	if now.physicalID != was.physicalID {
		replacement := *now
		replacement.UpdateReplacePolicy = "Delete" // it never belonged to the stack
		s.mu.Lock()
		if replacement.physicalID != "" {
			c.newPhysicals = append(c.newPhysicals, &replacement)
		}
		st.resources[id] = &was
		s.mu.Unlock()
		s.mark(st, &was, "UPDATE_COMPLETE", nil)
		return nil
	}
	if len(changedNames(was.props, now.props)) == 0 && slices.Equal(was.tags, now.tags) {
		s.mu.Lock()
		st.resources[id] = &was
		s.mu.Unlock()
		return nil
	}
	s.mark(st, now, "UPDATE_IN_PROGRESS", nil)
	err := s.delay(ctx, now.Type, "update")
	if err == nil {
		err = s.injected(s.failures, st, id)
	}
	if err == nil {
		var res Result
		res, err = s.provider.Update(ctx, s.request(st, &was, now.props, func(string) {}))
		if err == nil && res.PhysicalID != was.physicalID {
			err = Reasonf("Rollback changed the physical resource id")
		}
	}
	if err != nil {
		s.mark(st, now, "UPDATE_FAILED", err)
		return err
	}
	s.mu.Lock()
	st.resources[id] = &was
	s.mu.Unlock()
	s.mark(st, &was, "UPDATE_COMPLETE", nil)
	return nil
}
