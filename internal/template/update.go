package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Refusal is a change of a variable that an existing stack can't take, or only
// by losing data.
type Refusal struct {
	// Variable is the key in variables.yaml.
	Variable string
	// What says what would happen and what to do instead.
	What string
}

// Deployed is a stack's template and parameters, as they are or shall be.
type Deployed struct {
	// Body is the template as it was sent, YAML or JSON.
	Body       []byte
	Parameters map[string]string
}

// CheckUpdate finds what an update from one to the other must not do. It reads
// only what both say, so it works on a stack that an older version made; what
// it doesn't know it lets pass, for the change set's own check to judge.
func CheckUpdate(before, after Deployed) ([]Refusal, error) {
	old, err := properties(before.Body)
	if err != nil {
		return nil, fmt.Errorf("read the stack's template: %w", err)
	}
	next, err := properties(after.Body)
	if err != nil {
		return nil, fmt.Errorf("read the new template: %w", err)
	}
	u := &update{old: old, next: next}
	u.parameters(before.Parameters, after.Parameters)
	u.shards()
	u.shrinks(idDatabase, "AllocatedStorage", "DatabaseStorageGiB", "storage never shrinks")
	u.shrinks(idDatabase, "EngineVersion", "DatabaseEngineVersion", "PostgreSQL can't go back to an older version")
	u.locked()
	u.anotherWebACL()
	return u.refusals, nil
}

// Resources are the types of a template's resources, by logical id.
func Resources(body []byte) (map[string]string, error) {
	var t struct {
		Resources map[string]struct {
			Type string `yaml:"Type"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(body, &t); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	types := map[string]string{}
	for id, r := range t.Resources {
		types[id] = r.Type
	}
	return types, nil
}

// Copies are the logical ids of a template's databases that hold nothing of
// their own: read replicas.
func Copies(body []byte) ([]string, error) {
	resources, err := properties(body)
	if err != nil {
		return nil, fmt.Errorf("read the stack's template: %w", err)
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		if resources[id]["SourceDBInstanceIdentifier"] != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

type update struct {
	old, next map[string]map[string]string // property texts by logical id
	refusals  []Refusal
}

func (u *update) refuse(variable, format string, args ...any) {
	u.refusals = append(u.refusals, Refusal{Variable: variable, What: fmt.Sprintf(format, args...)})
}

// parameters that decide a property which can't be changed in place.
func (u *update) parameters(before, after map[string]string) {
	for _, p := range []struct{ name, why string }{
		{paramEnvironment, "a stack is of one environment; choose another StackName"},
		{paramVpcCidr, "another block is another VPC, and with it another database and cache"},
		{paramUsername, "another master is another database"},
	} {
		old, there := before[p.name]
		if next := after[p.name]; there && next != "" && next != old {
			u.refuse(p.name, "%q instead of the stack's %q: %s", next, old, p.why)
		}
	}
}

// shards may at most be doubled or halved by one update.
func (u *update) shards() {
	old, next := u.numbers(idStream, "ShardCount")
	if old == 0 || next == 0 || next <= old*2 && next*2 >= old {
		return
	}
	step := old * 2
	if next < old {
		step = (old + 1) / 2
	}
	u.refuse("ShardCount", "%d instead of the stack's %d: Kinesis doubles or halves at most; deploy %d first, then go on", next, old, step)
}

func (u *update) shrinks(id, property, variable, why string) {
	if old, next := u.numbers(id, property); old > 0 && next > 0 && next < old {
		u.refuse(variable, "%d instead of the stack's %d: %s", next, old, why)
	}
}

// locked buckets are made with their lock.
func (u *update) locked() {
	old, there := u.old[idArchive]
	if there && old["ObjectLockEnabled"] != u.next[idArchive]["ObjectLockEnabled"] {
		u.refuse("ObjectLockDays", "a bucket gets its lock when it is made and keeps it; this would be another archive bucket, and the old one's objects would stay behind")
	}
}

// anotherWebACL would take the API's web ACL away: the new association is made
// first, and deleting the old one disassociates the same stage.
func (u *update) anotherWebACL() {
	const arn = "WebACLArn"
	old, next := u.old[idWebACLAssociation][arn], u.next[idWebACLAssociation][arn]
	if old != "" && next != "" && old != next {
		u.refuse("WebAcl", "another web ACL instead of the stack's: CloudFormation would leave the API without any; deploy false first, then the other")
	}
}

func (u *update) numbers(id, property string) (old, next int) {
	read := func(resources map[string]map[string]string) int {
		n, err := strconv.Atoi(resources[id][property])
		if err != nil {
			return 0
		}
		return n
	}
	return read(u.old), read(u.next)
}

// properties reads the plain properties of every resource; JSON is YAML too.
func properties(body []byte) (map[string]map[string]string, error) {
	var doc struct {
		Resources map[string]struct {
			Properties map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	for id, r := range doc.Resources {
		out[id] = map[string]string{}
		for name, node := range r.Properties {
			if node.Kind == yaml.ScalarNode {
				out[id][name] = node.Value
			}
		}
	}
	return out, nil
}

// Holding gives the logical ids of the template's resources of these types, but
// for copies of another: read replicas.
func (t *Template) Holding(types []string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		if !slices.Contains(types, t.kind(id)) {
			continue
		}
		if properties, ok := t.resources[id]["Properties"].(tree); ok && properties["SourceDBInstanceIdentifier"] != nil {
			continue
		}
		ids = append(ids, id)
	}
	return ids
}
