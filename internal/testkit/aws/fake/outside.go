package fake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// outside are the changes that a test made to resources outside of their stacks, and what
// a test has set of the account.
type outside struct {
	mu      sync.Mutex
	changed map[string]*physical // resources as their template declares them, by stack/logical id
	removed map[string]*physical
	drift   map[string]int // polls so far, by detection
	limits  Account
}

// Account is a part of the account's limits and usage that a test sets; zero keeps the
// value of a large account.
type Account struct {
	// Concurrency is Lambda's limit, Shards and OpenShards Kinesis's limit and use,
	// Instances and MaxInstances those of RDS, VPCs the number of VPCs.
	Concurrency, Shards, OpenShards, Instances, MaxInstances, VPCs int
	// Denied are actions that SimulatePrincipalPolicy denies.
	Denied []string
	// Certificate is when the database's certificate expires.
	Certificate time.Time
	// Zones are the region's available zones.
	Zones []string
}

// SetAccount sets limits and usage.
func (f Surroundings) SetAccount(a Account) {
	f.outside.mu.Lock()
	defer f.outside.mu.Unlock()
	f.outside.limits = a
}

func (o *outside) account() Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.limits
}

// SetProperty changes a property of a resource outside of its stack, which is drift. A nil
// value removes the property.
func (f Surroundings) SetProperty(stackName, logicalID, name string, value any) error {
	for _, p := range f.registry.list("") {
		if p.stackName != stackName || p.logicalID != logicalID {
			continue
		}
		f.outside.mu.Lock()
		key := stackName + "/" + logicalID
		if f.outside.changed == nil {
			f.outside.changed = map[string]*physical{}
		}
		if f.outside.changed[key] == nil {
			f.outside.changed[key] = p
		}
		f.outside.mu.Unlock()
		changed := *p
		changed.props = maps.Clone(p.props)
		changed.props[name] = value
		if value == nil {
			delete(changed.props, name)
		}
		f.registry.put(&changed)
		return nil
	}
	return fmt.Errorf("stack %s has no resource %s", stackName, logicalID)
}

// RemoveResource deletes a resource outside of its stack.
func (f Surroundings) RemoveResource(stackName, logicalID string) error {
	for _, p := range f.registry.list("") {
		if p.stackName == stackName && p.logicalID == logicalID {
			f.outside.mu.Lock()
			if f.outside.removed == nil {
				f.outside.removed = map[string]*physical{}
			}
			f.outside.removed[stackName+"/"+logicalID] = p
			f.outside.mu.Unlock()
			f.registry.remove(p.kind, p.id)
			return nil
		}
	}
	return fmt.Errorf("stack %s has no resource %s", stackName, logicalID)
}

const cloudFormationNamespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

// serveDrift handles the calls for drift; ok is false for another call. A detection is
// complete at the second poll.
func (f endpoint) serveDrift(w http.ResponseWriter, r *request) (ok bool) {
	reply := func(nodes ...wire.Node) { wire.WriteQuery(w, cloudFormationNamespace, r.call.Action, nodes...) }
	switch r.call.Action {
	case "DetectStackDrift":
		id := wire.NewUUID()
		f.outside.mu.Lock()
		if f.outside.drift == nil {
			f.outside.drift = map[string]int{}
		}
		f.outside.drift[id] = 0
		f.outside.mu.Unlock()
		reply(wire.Text("StackDriftDetectionId", id))
	case "DescribeStackDriftDetectionStatus":
		id := r.form.Get("StackDriftDetectionId")
		f.outside.mu.Lock()
		polls, known := f.outside.drift[id]
		if known {
			f.outside.drift[id]++
		}
		f.outside.mu.Unlock()
		if !known {
			f.refuse(w, r, wire.Errorf("ValidationError", "Drift detection with id %s does not exist", id))
			return true
		}
		status := "DETECTION_IN_PROGRESS"
		if polls > 0 {
			status = "DETECTION_COMPLETE"
		}
		reply(wire.Text("StackDriftDetectionId", id), wire.Text("DetectionStatus", status), wire.Text("StackId", "arn:aws:cloudformation:::stack/x"), wire.Text("Timestamp", f.now().UTC().Format(time.RFC3339)))
	case "DescribeStackResourceDrifts":
		stackName := r.form.Get("StackName")
		reply(wire.Group("StackResourceDrifts", f.drifts(stackName)...))
	default:
		return false
	}
	return true
}

// drifts returns the resources of a stack, by name or id, that differ from their template.
func (f endpoint) drifts(stackNameOrID string) (members []wire.Node) {
	f.outside.mu.Lock()
	defer f.outside.mu.Unlock()
	of := func(p *physical) bool { return p.stackName == stackNameOrID || p.stackID == stackNameOrID }
	node := func(p *physical, status string, differences ...wire.Node) wire.Node {
		return wire.Group("member", wire.Text("StackId", p.stackID), wire.Text("LogicalResourceId", p.logicalID), wire.Text("PhysicalResourceId", p.id), wire.Text("ResourceType", p.kind),
			wire.Text("StackResourceDriftStatus", status), wire.Group("PropertyDifferences", differences...), wire.Text("Timestamp", f.now().UTC().Format(time.RFC3339)))
	}
	for _, key := range slices.Sorted(maps.Keys(f.outside.removed)) {
		if p := f.outside.removed[key]; of(p) {
			members = append(members, node(p, "DELETED"))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.outside.changed)) {
		p := f.outside.changed[key]
		now, ok := f.registry.find(p.kind, p.id)
		if !of(p) || !ok {
			continue
		}
		all := maps.Clone(p.props)
		maps.Copy(all, now.props)
		var differences []wire.Node
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if reflect.DeepEqual(p.props[name], now.props[name]) {
				continue
			}
			differences = append(differences, wire.Group("member", wire.Text("PropertyPath", "/"+name), wire.Text("ExpectedValue", jsonText(p.props[name])),
				wire.Text("ActualValue", jsonText(now.props[name])), wire.Text("DifferenceType", "NOT_EQUAL")))
		}
		if len(differences) > 0 {
			members = append(members, node(p, "MODIFIED", differences...))
		}
	}
	return members
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// AddLogGroup creates a log group that belongs to no stack.
func (f Surroundings) AddLogGroup(name string) { f.logs.create(name) }

// AddKeyAlias creates a key with an alias that belongs to no stack.
func (f Surroundings) AddKeyAlias(alias string) {
	id := wire.NewUUID()
	f.registry.put(&physical{kind: "AWS::KMS::Key", id: id, attrs: map[string]any{"Arn": f.arn("kms", "key/"+id)}})
	f.registry.put(&physical{kind: "AWS::KMS::Alias", id: alias, props: map[string]any{"TargetKeyId": id}})
}
