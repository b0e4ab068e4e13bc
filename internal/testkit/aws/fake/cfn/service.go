package cfn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Options connect the service to the rest of the fake.
type Options struct {
	Account, Region string
	// Zones is the result of Fn::GetAZs.
	Zones []string
	// Fetch reads a template from a TemplateURL.
	Fetch func(ctx context.Context, url string) (string, error)
	// Delay returns how long each lifecycle step of a resource type takes; nil
	// means no delay. AWS::CloudFormation::ChangeSet is the type for change
	// sets.
	Delay func(resourceType string) time.Duration
}

// Service is CloudFormation of one account and region.
type Service struct {
	api        api
	changeSets changeSets
	worker     worker

	options  Options
	provider Provider
	spawn    func(func(context.Context))

	mu          sync.Mutex
	stacks      []*stack // oldest first, including deleted ones
	failures    map[string]string
	failDeletes map[string]string
	leftovers   []Leftover
	findings    []Finding // of the next operation
}

type (
	// api serves the calls.
	api struct{ *Service }
	// changeSets creates, describes and executes change sets.
	changeSets struct{ *Service }
	// worker applies an operation to a stack's resources.
	worker struct{ *Service }
)

// Leftover is a resource that a stack created and left behind.
type Leftover struct {
	StackName, LogicalID, Type, PhysicalID string
	// Reason is the deletion policy, or why the deletion failed.
	Reason string
}

// New returns a service. Operations run until ctx ends; wait returns when the
// last one has stopped.
func New(ctx context.Context, o Options, p Provider) (s *Service, wait func()) {
	var running sync.WaitGroup
	s = &Service{options: o, provider: p, failures: map[string]string{}, failDeletes: map[string]string{}}
	s.api, s.changeSets, s.worker = api{s}, changeSets{s}, worker{s}
	s.spawn = func(f func(context.Context)) { running.Go(func() { f(ctx) }) }
	return s, running.Wait
}

// stack is one stack, also after its deletion. The service's lock guards it.
type stack struct {
	id, name                  string
	status, reason            string
	template                  *Template
	params                    map[string]string
	tags                      []Tag
	capabilities              []string
	resources                 map[string]*instance
	gone                      []*instance // resources that deletions removed, in their last state
	outputs                   []outputValue
	created, updated, deleted time.Time
	protected                 bool
	onFailure                 string // ROLLBACK, DELETE or DO_NOTHING
	retainExceptOnCreate      bool
	policy, roleARN           string
	during                    string  // the temporary stack policy of the running update
	events                    []Event // oldest first
	changeSets                []*changeSet
	operations                []recordedOperation
	token                     string            // of the running operation
	tokens                    map[string]string // token to action
	cancel                    func()            // stops the running resource steps
	done                      chan struct{}     // closed when no operation runs
	failed                    *failedUpdate     // for ContinueUpdateRollback
}

// Tag is a key and its value.
type Tag struct{ Key, Value string }

type outputValue struct{ key, value, description, export string }

// instance is a resource of a stack.
type instance struct {
	Resource
	physicalID     string
	props, attrs   map[string]any
	tags           []Tag // of the stack, at the resource's last step
	status, reason string
	at             time.Time
}

// Event is one entry of DescribeStackEvents.
type Event struct {
	ID, LogicalID, PhysicalID, Type string
	Status, Reason, Properties      string
	Token                           string
	At                              time.Time
}

// FailResource makes the next creation or update of a logical id fail with this
// reason.
func (s *Service) FailResource(logicalID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[logicalID] = reason
}

// FailDelete makes the next deletion of a logical id fail with this reason.
func (s *Service) FailDelete(logicalID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failDeletes[logicalID] = reason
}

// SetStatus sets a stack's status; no operation is running then.
func (s *Service) SetStatus(name, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(name)
	if st == nil {
		return fmt.Errorf("set status: no stack %s", name)
	}
	st.token = "staged"
	s.setStatus(st, status, "staged")
	return nil
}

// AwaitSettled waits until no operation runs on a stack.
func (s *Service) AwaitSettled(ctx context.Context, name string) error {
	s.mu.Lock()
	st := s.find(name)
	s.mu.Unlock()
	if st == nil {
		return fmt.Errorf("wait for stack %s: it does not exist", name)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-st.done:
		return nil
	}
}

// Leftovers lists the resources that stacks left behind, by policy or after a
// failure.
func (s *Service) Leftovers() []Leftover {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Leftover(nil), s.leftovers...)
}

// Owned lists the resources of existing stacks, as leftovers with reason
// "stack".
func (s *Service) Owned() []Leftover {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Leftover
	for _, st := range s.stacks {
		for _, id := range sortedKeys(st.resources) {
			r := st.resources[id]
			out = append(out, Leftover{StackName: st.name, LogicalID: id, Type: r.Type, PhysicalID: r.physicalID, Reason: "stack"})
		}
	}
	return out
}

// find returns the existing stack with a name, or any stack by its ARN; the
// caller holds the lock.
func (s *Service) find(nameOrID string) *stack {
	for i := len(s.stacks) - 1; i >= 0; i-- {
		st := s.stacks[i]
		if st.id == nameOrID || st.name == nameOrID && st.status != "DELETE_COMPLETE" {
			return st
		}
	}
	return nil
}

func (s *Service) newStack(name string) *stack {
	st := &stack{
		id:        fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/%s", s.options.Region, s.options.Account, name, wire.NewUUID()),
		name:      name,
		created:   time.Now(),
		resources: map[string]*instance{},
		tokens:    map[string]string{},
		onFailure: "ROLLBACK",
		template:  &Template{},
	}
	s.stacks = append(s.stacks, st)
	return st
}

// operation is one run of create, update or delete. ctx ends with the service;
// work also ends when the operation is canceled.
type operation struct {
	ctx, work context.Context
	// superseded reports whether another operation has taken over the stack.
	superseded func() bool
}

// begin starts an operation: it cancels the previous one, waits for its end,
// and then runs in the background until it ends or the service stops. The
// caller holds the lock and has set st.token.
func (s *Service) begin(st *stack, status, reason string, run func(operation)) {
	previous, stopPrevious := st.done, st.cancel
	done, canceled := make(chan struct{}), make(chan struct{})
	st.done, st.cancel = done, sync.OnceFunc(func() { close(canceled) })
	s.setStatus(st, status, reason)
	s.spawn(func(ctx context.Context) {
		defer close(done)
		if previous != nil {
			stopPrevious()
			<-previous
		}
		work, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			select {
			case <-canceled:
				stop()
			case <-work.Done():
			}
		}()
		run(operation{ctx: ctx, work: work, superseded: func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return st.done != done
		}})
	})
}

// setStatus changes a stack's status and records its event; the caller holds
// the lock.
func (s *Service) setStatus(st *stack, status, reason string) {
	st.status, st.reason = status, reason
	s.record(st, Event{LogicalID: st.name, PhysicalID: st.id, Type: "AWS::CloudFormation::Stack", Status: status, Reason: reason})
}

func (s *Service) record(st *stack, e Event) {
	e.At, e.Token = time.Now(), st.token
	e.ID = wire.NewUUID()
	if e.PhysicalID != st.id {
		e.ID = e.LogicalID + "-" + e.Status + "-" + e.At.UTC().Format("2006-01-02T15:04:05.000Z") + "-" + wire.NewID(2)
	}
	st.events = append(st.events, e)
}

func (s *Service) finish(st *stack, status, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setStatus(st, status, reason)
}
