package deploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Plan is what destroying a stack means, before anything happens.
type Plan struct {
	Stack     Stack      `json:"stack"`
	Resources []Resource `json:"resources"`
	// Buckets are the stack's buckets, which are emptied.
	Buckets []string `json:"buckets"`
	// Contents is what is in them.
	Contents []Contents `json:"contents,omitempty"`
	// Databases are the stack's database instances.
	Databases []Database `json:"databases"`
	// Retained is what stays by the template's policies, or because the person
	// wants it to.
	Retained []Retained `json:"retained,omitempty"`
	// Keeping says that the destroy before this one was told to keep the archive.
	Keeping bool `json:"keeping,omitempty"`
	// Locked are buckets whose objects S3 lets nobody delete for a while.
	Locked []string `json:"locked,omitempty"`
	// Protections are what must be lifted first.
	Protections []string `json:"protections,omitempty"`

	// retained are logical ids that the stack lets go of instead of deleting.
	retained []string
	// noDrain doesn't wait for the stream's end.
	noDrain bool
	// artifactBucket is where the functions' code is, to be swept; empty isn't.
	artifactBucket string
}

// Database is a database instance that a destroy deletes.
type Database struct {
	ID string `json:"id"`
	// Snapshot says that a last one is taken and stays.
	Snapshot bool `json:"snapshot"`
	// Key is what the instance, and so the snapshot, is encrypted with; KeyStays
	// that this key outlives the stack.
	Key      string `json:"key,omitempty"`
	KeyStays bool   `json:"keyStays"`
	// Replica copies another instance and holds nothing of its own.
	Replica bool `json:"replica,omitempty"`

	protected, gone bool
	// ours says that the snapshot isn't the template's, so that it is this
	// program that takes it.
	ours bool
}

// Retained is what outlives a stack on purpose.
type Retained struct {
	LogicalID  string `json:"logicalId"`
	Type       string `json:"type"`
	PhysicalID string `json:"physicalId"`
	// Why is the template's policy, or the flag.
	Why string `json:"why"`
}

const (
	typeBucket   = "AWS::S3::Bucket"
	typeKey      = "AWS::KMS::Key"
	typeInstance = "AWS::RDS::DBInstance"

	typeDeployment = "AWS::ApiGateway::Deployment"
	typeStream     = "AWS::Kinesis::Stream"
	typeMapping    = "AWS::Lambda::EventSourceMapping"
)

// RetainArchive keeps the stack's buckets with all that is in them, and the key
// that they are read with. A bucket that is empty goes all the same.
func (p *Plan) RetainArchive() {
	for _, kind := range []string{typeBucket, typeKey} {
		for _, r := range byType(p.Resources, kind) {
			p.retained = append(p.retained, r.LogicalID)
			if !p.keeps(r.PhysicalID) {
				p.Retained = append(p.Retained, Retained{r.LogicalID, r.Type, r.PhysicalID, "--retain-archive"})
			}
		}
	}
	p.judgeKeys()
}

// FinalSnapshot has a snapshot taken of each database whose policy takes none.
func (p *Plan) FinalSnapshot() {
	for i := range p.Databases {
		if d := &p.Databases[i]; !d.Replica && !d.Snapshot && !d.gone {
			d.Snapshot, d.ours = true, true
		}
	}
}

// NoDrain doesn't wait until what is in the stream has been handled.
func (p *Plan) NoDrain() { p.noDrain = true }

// SweepCode deletes the functions' code in an artifact bucket too, once no stack
// needs any of it.
func (p *Plan) SweepCode(artifactBucket string) { p.artifactBucket = artifactBucket }

// Drains says that the stream is read to its end first: where nothing that it
// would be written to outlives the stack, there is nothing to wait for.
func (p Plan) Drains() bool {
	if p.noDrain || len(byType(p.Resources, typeStream)) == 0 || len(byType(p.Resources, typeMapping)) == 0 {
		return false
	}
	for _, d := range p.Databases {
		if d.Snapshot {
			return true
		}
	}
	return len(p.retained) > 0
}

// keeps says that something is among what stays.
func (p *Plan) keeps(physicalID string) bool {
	for _, r := range p.Retained {
		if physicalID != "" && (r.PhysicalID == physicalID || strings.HasSuffix(physicalID, "/"+r.PhysicalID)) {
			return true
		}
	}
	return false
}

// judgeKeys finds whose key stays: every key that isn't the stack's, and those
// of the stack's that are kept.
func (p *Plan) judgeKeys() {
	for i := range p.Databases {
		d := &p.Databases[i]
		d.KeyStays = true
		for _, k := range byType(p.Resources, typeKey) {
			if strings.HasSuffix(d.Key, "/"+k.PhysicalID) || d.Key == k.PhysicalID {
				d.KeyStays = p.keeps(k.PhysicalID)
			}
		}
	}
}

// PlanDestroy finds out what a destroy would do. It changes nothing.
func (o *Operator) PlanDestroy(ctx context.Context, name string) (Plan, error) {
	stack, err := o.Describe(ctx, name)
	if err != nil {
		return Plan{}, err
	}
	if stance := stack.Status.state().Destroy; stance == Wait || stance == Refuse {
		return Plan{}, &BusyError{Stack: stack.Name, Status: string(stack.Status), Since: stack.Since().Local().Format("15:04:05 MST"), Meaning: stack.Status.Meaning()}
	}
	resources, err := o.Resources(ctx, stack.ID)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Stack: stack, Resources: resources}
	if p.Keeping, err = o.wasKeeping(ctx, stack); err != nil {
		return Plan{}, err
	}
	declared, err := o.declared(ctx, stack, resources)
	if err != nil {
		return Plan{}, err
	}
	for _, r := range resources {
		if policy := declared[r.LogicalID].DeletionPolicy; strings.HasPrefix(policy, "Retain") && r.PhysicalID != "" && !strings.HasPrefix(r.Type, "Custom::") && r.Type != typeAccount {
			p.Retained = append(p.Retained, Retained{r.LogicalID, r.Type, r.PhysicalID, "DeletionPolicy " + policy})
		}
	}
	for _, r := range byType(resources, typeBucket) {
		c, err := o.contents(ctx, r.PhysicalID)
		if err != nil {
			return Plan{}, err
		}
		p.Buckets, p.Contents = append(p.Buckets, r.PhysicalID), append(p.Contents, c)
		if fmt.Sprint(declared[r.LogicalID].Properties["ObjectLockEnabled"]) == "true" && c.Versions > 0 {
			p.Locked = append(p.Locked, r.PhysicalID)
		}
	}
	if stack.Protected {
		p.Protections = append(p.Protections, "termination protection of the stack")
	}
	for _, r := range byType(resources, typeInstance) {
		d, err := o.planDatabase(ctx, r, declared[r.LogicalID].DeletionPolicy)
		if err != nil {
			return Plan{}, err
		}
		p.Databases = append(p.Databases, d)
		if d.protected {
			p.Protections = append(p.Protections, "deletion protection of database "+d.ID)
		}
	}
	p.judgeKeys()
	return p, nil
}

// planDatabase looks at an instance. Without a policy CloudFormation takes a
// snapshot; there is none of a replica, and none of an instance that is gone.
func (o *Operator) planDatabase(ctx context.Context, r Resource, policy string) (Database, error) {
	d := Database{ID: r.PhysicalID, gone: true}
	instance, err := o.instance(ctx, r.PhysicalID)
	if err != nil || instance == nil {
		return d, err
	}
	d.Key, d.protected = aws.ToString(instance.KmsKeyId), aws.ToBool(instance.DeletionProtection)
	d.Replica, d.gone = replica(instance), false
	d.Snapshot = !d.Replica && (policy == "Snapshot" || policy == "")
	return d, nil
}

func replica(i *types.DBInstance) bool {
	return aws.ToString(i.ReadReplicaSourceDBInstanceIdentifier) != ""
}

// declared is what a stack's template says of its resources, by logical id.
func (o *Operator) declared(ctx context.Context, stack Stack, resources []Resource) (map[string]declaration, error) {
	if len(resources) == 0 { // nothing to ask about
		return nil, nil
	}
	body, err := o.template(ctx, stack)
	if err != nil {
		return nil, err
	}
	out, err := declarations(body)
	if err != nil {
		return nil, fmt.Errorf("read template of %s: %w", stack.Name, err)
	}
	return out, nil
}
