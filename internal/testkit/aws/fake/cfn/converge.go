package cfn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// convergence changes a stack's resources to match a template.
type convergence struct {
	s        *Service
	st       *stack
	template *Template
	ids      []string
	scope    *scope
	// before is the previous state of resources, for a rollback; made and
	// replaced are to be deleted after success or after a rollback.
	before   map[string]*instance
	replaced []*instance
	made     []string
	changed  []string
	// newPhysicals are replacements that a rollback discards.
	newPhysicals []*instance
}

func (s worker) newConvergence(st *stack, t *Template, params map[string]string) (*convergence, error) {
	c := &convergence{s: s.Service, st: st, template: t, before: map[string]*instance{}}
	c.scope = s.newScope(st, t, params, c.lookup)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range st.resources {
		old := *r
		c.before[id] = &old
	}
	var err error
	c.ids, err = t.active(c.scope)
	return c, err
}

// lookup reads a resource for the template's functions; eval runs under the
// service's lock.
func (c *convergence) lookup(id, attribute string) (any, bool) {
	r, ok := c.st.resources[id]
	if !ok {
		return nil, false
	}
	return r.value(attribute), true
}

// run creates and updates; it returns the logical ids that failed.
func (c *convergence) run(ctx context.Context) []string {
	return walk(ctx, c.ids, c.template.waitsFor(c.ids), true, c.step)
}

func (c *convergence) step(ctx context.Context, id string) error {
	def := c.template.Resources[id]
	c.s.mu.Lock()
	evaluated, err := c.scope.eval(def.Properties)
	old := c.st.resources[id]
	c.s.mu.Unlock()
	props, _ := evaluated.(map[string]any)
	switch {
	case old == nil:
		return c.create(ctx, def, props, err)
	case err != nil:
		c.s.mark(c.st, old, "UPDATE_FAILED", err)
		return err
	}
	diff := c.s.changeSets.compare(c.st, old, def, props, input{tags: c.st.tags})
	if len(diff.scope) == 0 {
		return nil
	}
	action := "Update:Modify"
	if diff.replacement == "True" {
		action = "Update:Replace"
	}
	if denied := deniedBy(c.st.activePolicy(), id, action); denied != "" {
		err := invalid("%s", denied)
		c.s.mark(c.st, old, "UPDATE_FAILED", err)
		return err
	}
	return c.update(ctx, old, def, props, diff)
}

func (c *convergence) create(ctx context.Context, def Resource, props map[string]any, evalErr error) error {
	s, st := c.s, c.st
	s.mu.Lock()
	r := &instance{Resource: def, props: props, tags: st.tags}
	st.resources[def.ID] = r
	c.made = append(c.made, def.ID)
	s.mu.Unlock()
	s.mark(st, r, "CREATE_IN_PROGRESS", nil)
	err := evalErr
	if err == nil {
		err = s.worker.provide(ctx, st, r, "CREATE_IN_PROGRESS")
	}
	if err != nil {
		s.mark(st, r, "CREATE_FAILED", canceledAs(ctx, err, "Resource creation cancelled"))
		return err
	}
	s.mark(st, r, "CREATE_COMPLETE", nil)
	return nil
}

// provide creates r; a second event of status reports the physical id.
func (s worker) provide(ctx context.Context, st *stack, r *instance, status string) error {
	initiated := func(physicalID string) {
		s.mu.Lock()
		if r.physicalID == physicalID {
			s.mu.Unlock()
			return
		}
		r.physicalID = physicalID
		s.mu.Unlock()
		s.mark(st, r, status, Reasonf("Resource creation Initiated"))
	}
	kind, _ := s.provider.Kind(r.Type)
	if err := kind.checkProperties(r.ID, r.props); err != nil {
		return err
	}
	if err := s.delay(ctx, r.Type, "create"); err != nil {
		return err
	}
	if err := s.injected(s.failures, st, r.ID); err != nil {
		return err
	}
	res, err := s.provider.Create(ctx, s.request(st, r, nil, initiated))
	if res.PhysicalID != "" {
		initiated(res.PhysicalID)
	}
	s.mu.Lock()
	r.attrs = res.Attributes
	s.mu.Unlock()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

func (c *convergence) update(ctx context.Context, old *instance, def Resource, props map[string]any, diff change) error {
	s, st := c.s, c.st
	now := *old
	s.mu.Lock()
	now.Resource, now.props, now.tags = def, props, st.tags
	st.resources[def.ID] = &now
	c.changed = append(c.changed, def.ID)
	s.mu.Unlock()
	if !slices.Contains(diff.scope, "Properties") && !slices.Contains(diff.scope, "Tags") {
		return nil // policies and metadata change without an event
	}
	r := &now
	var err error
	if diff.replacement == "True" {
		s.mark(st, r, "UPDATE_IN_PROGRESS", Reasonf("Requested update requires the creation of a new physical resource; hence creating one."))
		s.mu.Lock()
		r.physicalID = ""
		previous := *old
		previous.UpdateReplacePolicy = def.UpdateReplacePolicy
		c.replaced = append(c.replaced, &previous)
		s.mu.Unlock()
		err = s.worker.provide(ctx, st, r, "UPDATE_IN_PROGRESS")
	} else {
		s.mark(st, r, "UPDATE_IN_PROGRESS", nil)
		err = c.updateInPlace(ctx, r, old)
	}
	if err != nil {
		s.mark(st, r, "UPDATE_FAILED", canceledAs(ctx, err, "Resource update cancelled"))
		return err
	}
	s.mark(st, r, "UPDATE_COMPLETE", nil)
	return nil
}

func (c *convergence) updateInPlace(ctx context.Context, r, old *instance) error {
	s := c.s
	kind, _ := s.provider.Kind(r.Type)
	if err := kind.checkProperties(r.ID, r.props); err != nil {
		return err
	}
	if err := s.delay(ctx, r.Type, "update"); err != nil {
		return err
	}
	if err := s.worker.injected(s.failures, c.st, r.ID); err != nil {
		return err
	}
	res, err := s.provider.Update(ctx, s.worker.request(c.st, r, old.props, func(string) {}))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.attrs = res.Attributes
	if res.PhysicalID != old.physicalID {
		r.physicalID = res.PhysicalID
		previous := *old
		c.replaced = append(c.replaced, &previous)
	}
	return nil
}

func (s worker) request(st *stack, r *instance, old map[string]any, initiated func(string)) Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Request{
		StackName: st.name, StackID: st.id, LogicalID: r.ID, Type: r.Type, PhysicalID: r.physicalID,
		Properties: r.props, OldProperties: old, Tags: r.tags, Token: st.token, Initiated: initiated,
	}
}

// injected returns the failure that a test requested, once: for a logical id,
// or for stack/logical id.
func (s worker) injected(from map[string]string, st *stack, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{st.name + "/" + id, id} {
		if reason, ok := from[key]; ok {
			delete(from, key)
			return errors.New(reason)
		}
	}
	return nil
}

// mark sets a resource's status and records the event, with err as the reason.
func (s *Service) mark(st *stack, r *instance, status string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.status, r.reason, r.at = status, "", time.Now()
	if err != nil {
		r.reason = reasonOf(err)
	}
	s.record(st, Event{
		LogicalID: r.ID, PhysicalID: r.physicalID, Type: r.Type, Status: status,
		Reason: r.reason, Properties: st.printed(r),
	})
}

// reasonOf returns an error's text as shown in an event.
func reasonOf(err error) string {
	var refused *wire.Error
	if errors.As(err, &refused) && refused.Code == "ValidationError" {
		return refused.Message
	}
	return err.Error()
}

// printed returns a resource's properties for an event. NoEcho values are
// hidden, except in custom resources, as in CloudFormation.
func (st *stack) printed(r *instance) string {
	if len(r.props) == 0 {
		return ""
	}
	data, err := json.Marshal(maps.Clone(r.props))
	if err != nil {
		return ""
	}
	if IsCustom(r.Type) {
		return string(data)
	}
	return st.masked(string(data))
}

func canceledAs(ctx context.Context, err error, text string) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return errors.New(text)
	}
	return err
}

// failedList returns the text of a failed operation's resources.
func failedList(verb string, ids []string) string {
	return fmt.Sprintf("The following resource(s) failed to %s: [%s]. ", verb, strings.Join(ids, ", "))
}
