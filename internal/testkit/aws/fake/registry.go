package fake

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// physical is an existing resource, even if its stack no longer knows it.
type physical struct {
	kind, id             string
	stackName, logicalID string
	stackID              string
	props, attrs         map[string]any
	tags                 map[string]string
	created              time.Time
}

// registry holds the account's resources, by type and physical id.
type registry struct {
	mu  *sync.Mutex
	all map[[2]string]*physical
}

func newRegistry() registry {
	return registry{mu: &sync.Mutex{}, all: map[[2]string]*physical{}}
}

func (r registry) put(p *physical) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.created.IsZero() {
		p.created = time.Now()
	}
	r.all[[2]string{p.kind, p.id}] = p
}

func (r registry) remove(kind, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, [2]string{kind, id})
}

func (r registry) find(kind, id string) (*physical, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.all[[2]string{kind, id}]
	return p, ok
}

// list returns the resources of a type, by id.
func (r registry) list(kind string) []*physical {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*physical
	for _, p := range r.all {
		if kind == "" || p.kind == kind {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *physical) int {
		return strings.Compare(a.kind+a.logicalID+a.id, b.kind+b.logicalID+b.id)
	})
	return out
}

// Exists is an existing resource of the account.
type Exists struct {
	StackName, LogicalID, Type, PhysicalID string
}

// Existing lists all existing resources that stacks created, including
// snapshots (as AWS::RDS::DBSnapshot) and log groups that functions created. A
// key pending deletion doesn't count.
func (f Inventory) Existing() []Exists {
	var out []Exists
	for _, p := range f.registry.list("") {
		out = append(out, Exists{StackName: p.stackName, LogicalID: p.logicalID, Type: p.kind, PhysicalID: p.id})
	}
	for _, s := range f.Snapshots() {
		out = append(out, Exists{Type: "AWS::RDS::DBSnapshot", PhysicalID: s.ID})
	}
	for _, name := range f.logs.names() {
		if _, ok := f.registry.find("AWS::Logs::LogGroup", name); !ok {
			out = append(out, Exists{Type: "AWS::Logs::LogGroup", PhysicalID: name})
		}
	}
	return out
}

// Leftovers lists the resources that deleted or failed stacks left behind, with
// the policy or the reason.
func (f Inventory) Leftovers() []cfn.Leftover { return f.stacks.Leftovers() }

// PhysicalID returns the physical id of a stack's logical id.
func (f Inventory) PhysicalID(stackName, logicalID string) (string, bool) {
	for _, p := range f.registry.list("") {
		if p.stackName == stackName && p.logicalID == logicalID {
			return p.id, true
		}
	}
	return "", false
}

// called reports whether a test's id refers to this resource: the logical id,
// or stack/logical id if two stacks have it.
func called(id, stackName, logicalID string) bool {
	return id == logicalID || id == stackName+"/"+logicalID
}
