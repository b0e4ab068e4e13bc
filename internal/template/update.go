package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/streamctl/streamctl/internal/stacktemplate"
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
	old, err := stacktemplate.Parse(before.Body)
	if err != nil {
		return nil, fmt.Errorf("the stack: %w", err)
	}
	next, err := stacktemplate.Parse(after.Body)
	if err != nil {
		return nil, fmt.Errorf("the new template: %w", err)
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

// ReadReplicas returns the logical ids of a template's read replicas: databases
// without data of their own.
func ReadReplicas(body []byte) ([]string, error) {
	resources, err := stacktemplate.Parse(body)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		if resources[id].Properties[sourceInstance] != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

type update struct {
	old, next map[string]stacktemplate.Resource // by logical id
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
	if there && old.Properties["ObjectLockEnabled"] != u.next[idArchive].Properties["ObjectLockEnabled"] {
		u.refuse("ObjectLockDays", "a bucket gets its lock when it is made and keeps it; this would be another archive bucket, and the old one's objects would stay behind")
	}
}

// anotherWebACL would take the API's web ACL away: the new association is made
// first, and deleting the old one disassociates the same stage.
func (u *update) anotherWebACL() {
	const arn = "WebACLArn"
	old, next := u.old[idWebACLAssociation].Properties[arn], u.next[idWebACLAssociation].Properties[arn]
	if old != "" && next != "" && old != next {
		u.refuse("WebAcl", "another web ACL instead of the stack's: CloudFormation would leave the API without any; deploy false first, then the other")
	}
}

func (u *update) numbers(id, property string) (old, next int) {
	read := func(resources map[string]stacktemplate.Resource) int {
		n, err := strconv.Atoi(resources[id].Properties[property])
		if err != nil {
			return 0
		}
		return n
	}
	return read(u.old), read(u.next)
}

// sourceInstance is the property of a read replica that names its source.
const sourceInstance = "SourceDBInstanceIdentifier"

// StatefulTypes returns the types of resources whose loss is a loss of data.
func StatefulTypes() []string {
	return []string{"AWS::Kinesis::Stream", "AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup", "AWS::S3::Bucket", "AWS::KMS::Key"}
}

// IDsOfTypes returns the logical ids of the template's resources of these types,
// without read replicas.
func (t *Template) IDsOfTypes(types []string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		if !slices.Contains(types, t.kind(id)) {
			continue
		}
		if properties, ok := t.resources[id]["Properties"].(tree); ok && properties[sourceInstance] != nil {
			continue
		}
		ids = append(ids, id)
	}
	return ids
}
