package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// Refusal is a change of a variable that is impossible for an existing stack, or
// possible only with a loss of data.
type Refusal struct {
	// Variable is the key in variables.yaml.
	Variable string
	// What describes the effect of the change and an alternative.
	What string
}

// Deployed is a stack's template and parameters, current or desired.
type Deployed struct {
	// Body is the template, YAML or JSON.
	Body       []byte
	Parameters map[string]string
}

// CheckUpdate finds changes that an update must not make. It compares only resources
// and properties that both templates have, so it works on a stack of an older version;
// the change set's own check judges the rest.
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
	u.shrinks(idDatabase, "EngineVersion", "DatabaseEngineVersion", "PostgreSQL can't be downgraded")
	u.locked()
	u.lifecycleSupport()
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

// parameters checks the parameters of properties that can't change in place.
func (u *update) parameters(before, after map[string]string) {
	for _, p := range []struct{ name, why string }{
		{paramEnvironment, "the environment of a stack can't change; choose another StackName"},
		{paramVpcCidr, "a new block replaces the VPC, and with it the database and the cache"},
		{paramUsername, "a new master user replaces the database"},
	} {
		old, there := before[p.name]
		if next := after[p.name]; there && next != "" && next != old {
			u.refuse(p.name, "%q instead of the stack's %q: %s", next, old, p.why)
		}
	}
}

// shards checks that one update at most doubles or halves the shards.
func (u *update) shards() {
	old, next := u.numbers(idStream, "ShardCount")
	if old == 0 || next == 0 || next <= old*2 && next*2 >= old {
		return
	}
	step := old * 2
	if next < old {
		step = (old + 1) / 2
	}
	u.refuse("ShardCount", "%d instead of the stack's %d: Kinesis doubles or halves at most; deploy %d first", next, old, step)
}

func (u *update) shrinks(id, property, variable, why string) {
	if old, next := u.numbers(id, property); old > 0 && next > 0 && next < old {
		u.refuse(variable, "%d instead of the stack's %d: %s", next, old, why)
	}
}

// locked checks that buckets keep their object lock.
func (u *update) locked() {
	old, there := u.old[idArchive]
	if there && old.Properties["ObjectLockEnabled"] != u.next[idArchive].Properties["ObjectLockEnabled"] {
		u.refuse("ObjectLockDays", "Object Lock can only be set when a bucket is created; this would replace the archive bucket, and the old bucket's objects would stay in it")
	}
}

// lifecycleSupport rejects another setting for extended support, which RDS reads only
// when it creates an instance.
func (u *update) lifecycleSupport() {
	const property = "EngineLifecycleSupport"
	old, next := u.old[idDatabase].Properties[property], u.next[idDatabase].Properties[property]
	if old != "" && next != "" && old != next {
		u.refuse(property, "%q instead of the stack's %q: RDS can't change it; keep the stack's value", next, old)
	}
}

// anotherWebACL rejects the replacement of the API's web ACL: CloudFormation creates
// the new association first, and deleting the old one then disassociates the same
// stage.
func (u *update) anotherWebACL() {
	const arn = "WebACLArn"
	old, next := u.old[idWebACLAssociation].Properties[arn], u.next[idWebACLAssociation].Properties[arn]
	if old != "" && next != "" && old != next {
		u.refuse("WebAcl", "another web ACL than the stack's: CloudFormation would leave the API without one; deploy with false first, then with the new one")
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
