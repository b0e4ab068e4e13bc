package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/leftovers"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// DestroyOptions are a user's options for a destroy.
type DestroyOptions struct {
	// RetainArchive keeps the buckets and the key, except for empty buckets. Nil
	// repeats the choice of the previous, unfinished destroy.
	RetainArchive *bool
	// FinalSnapshot takes a snapshot of each database whose deletion policy does not.
	FinalSnapshot bool
	// NoDrain does not wait until the stream is drained.
	NoDrain bool
	// LiftProtection lifts the termination and deletion protection.
	LiftProtection bool
	// SkipStep is the name of one step that is not carried out, because a policy of the
	// organization denies its call. Empty skips none.
	SkipStep string
	// ArtifactBucket is the bucket with the functions' code, which is deleted once no
	// stack needs it. Empty keeps the code.
	ArtifactBucket string
}

// Plan lists the effects of a destroy.
type Plan struct {
	Stack     stack.Stack      `json:"stack"`
	Resources []stack.Resource `json:"resources"`
	// Buckets are the stack's buckets, which are emptied.
	Buckets []string `json:"buckets"`
	// Contents counts the contents of the buckets.
	Contents []bucket.Contents `json:"contents,omitempty"`
	// Databases are the stack's database instances.
	Databases []Database `json:"databases"`
	// Retained are resources that stay, by the template's policies or by the
	// options.
	Retained []Retained `json:"retained,omitempty"`
	// RetainRequested reports that the previous, unfinished destroy keeps the archive.
	RetainRequested bool `json:"keeping,omitempty"`
	// Locked are buckets with objects that S3 does not delete before a date.
	Locked []string `json:"locked,omitempty"`
	// Protections must be lifted first.
	Protections []string `json:"protections,omitempty"`
	// Drains reports whether the stream is drained first: only if a snapshot or an
	// archive with its records stays.
	Drains bool `json:"drains,omitempty"`

	// Skips is the step that the user skips.
	Skips string `json:"skips,omitempty"`

	options DestroyOptions
	// retainIDs are logical ids of resources that the delete retains.
	retainIDs []string
}

// RetainsArchive reports whether the archive stays.
func (p Plan) RetainsArchive() bool { return len(p.retainIDs) > 0 }

// Database is a database instance that a destroy deletes.
type Database struct {
	ID string `json:"id"`
	// Snapshot reports that a final snapshot is taken and stays.
	Snapshot bool `json:"snapshot"`
	// Key encrypts the instance and so the snapshot; KeyStays reports that it
	// outlives the stack.
	Key      string `json:"key,omitempty"`
	KeyStays bool   `json:"keyStays"`
	// Replica reports a read replica, which has no data of its own.
	Replica bool `json:"replica,omitempty"`

	protected, gone bool
	// takenByUs reports that this program takes the snapshot, not CloudFormation.
	takenByUs bool
}

// Retained is a resource that outlives the stack on purpose.
type Retained struct {
	LogicalID  string `json:"logicalId"`
	Type       string `json:"type"`
	PhysicalID string `json:"physicalId"`
	// Why is the template's policy, or the flag.
	Why string `json:"why"`
}

const (
	typeBucket = "AWS::S3::Bucket"
	typeKey    = "AWS::KMS::Key"
)

// PlanDestroy returns the effects of a destroy. It changes nothing.
func (o *Operator) PlanDestroy(ctx context.Context, name string, options DestroyOptions) (Plan, error) {
	return o.parts().plan(ctx, name, options)
}

func (p parts) plan(ctx context.Context, name string, options DestroyOptions) (Plan, error) {
	s, err := p.stacks.Describe(ctx, name)
	if err != nil {
		return Plan{}, err
	}
	if action := s.Status.Destroy(); action == stack.Wait || action == stack.Refuse {
		return Plan{}, &stack.BusyError{Stack: s.Name, Status: s.Status, Since: s.Since()}
	}
	resources, err := p.stacks.Resources(ctx, s.ID)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Stack: s, Resources: resources, Skips: options.SkipStep, options: options}
	if plan.RetainRequested, err = p.stacks.RetainRequested(ctx, s); err != nil {
		return Plan{}, err
	}
	declared := map[string]stacktemplate.Resource{}
	if len(resources) > 0 {
		body, err := p.stacks.Template(ctx, s)
		if err != nil {
			return Plan{}, err
		}
		if declared, err = stacktemplate.Parse(body); err != nil {
			return Plan{}, err
		}
	}
	plan.addRetained(declared)
	if err := p.addBuckets(ctx, &plan, declared); err != nil {
		return Plan{}, err
	}
	if s.Protected {
		plan.Protections = append(plan.Protections, "termination protection of the stack")
	}
	if err := p.addDatabases(ctx, &plan, declared); err != nil {
		return Plan{}, err
	}
	plan.apply(options)
	return plan, nil
}

// addRetained adds the resources that the template retains.
func (p *Plan) addRetained(declared map[string]stacktemplate.Resource) {
	for _, r := range p.Resources {
		policy := declared[r.LogicalID].DeletionPolicy
		if strings.HasPrefix(policy, "Retain") && r.PhysicalID != "" && !strings.HasPrefix(r.Type, "Custom::") && r.Type != leftovers.TypeAccount {
			p.Retained = append(p.Retained, Retained{r.LogicalID, r.Type, r.PhysicalID, "DeletionPolicy " + policy})
		}
	}
}

func (p parts) addBuckets(ctx context.Context, plan *Plan, declared map[string]stacktemplate.Resource) error {
	for _, r := range stack.OfType(plan.Resources, typeBucket) {
		c, err := bucket.Count(ctx, p.buckets, p.Caller.Account, r.PhysicalID)
		if err != nil {
			return err
		}
		plan.Buckets, plan.Contents = append(plan.Buckets, r.PhysicalID), append(plan.Contents, c)
		if declared[r.LogicalID].Properties["ObjectLockEnabled"] == "true" && c.Versions > 0 {
			plan.Locked = append(plan.Locked, r.PhysicalID)
		}
	}
	return nil
}

// addDatabases reads the instances. Without a policy, CloudFormation takes a snapshot,
// except for a read replica or a missing instance.
func (p parts) addDatabases(ctx context.Context, plan *Plan, declared map[string]stacktemplate.Resource) error {
	for _, r := range stack.OfType(plan.Resources, typeInstance) {
		d := Database{ID: r.PhysicalID, gone: true}
		instance, err := p.databases.Instance(ctx, r.PhysicalID)
		if err != nil {
			return err
		}
		if instance != nil {
			policy := declared[r.LogicalID].DeletionPolicy
			d.Key, d.protected, d.gone = aws.ToString(instance.KmsKeyId), aws.ToBool(instance.DeletionProtection), false
			d.Replica = aws.ToString(instance.ReadReplicaSourceDBInstanceIdentifier) != ""
			d.Snapshot = !d.Replica && (policy == "Snapshot" || policy == "")
		}
		if d.protected {
			plan.Protections = append(plan.Protections, "deletion protection of database "+d.ID)
		}
		plan.Databases = append(plan.Databases, d)
	}
	return nil
}

// apply applies the options.
func (p *Plan) apply(o DestroyOptions) {
	retain := p.RetainRequested
	if o.RetainArchive != nil {
		retain = *o.RetainArchive
	}
	if retain {
		for _, kind := range []string{typeBucket, typeKey} {
			for _, r := range stack.OfType(p.Resources, kind) {
				p.retainIDs = append(p.retainIDs, r.LogicalID)
				if !p.retains(r.PhysicalID) {
					p.Retained = append(p.Retained, Retained{r.LogicalID, r.Type, r.PhysicalID, "--retain-archive"})
				}
			}
		}
	}
	for i := range p.Databases {
		d := &p.Databases[i]
		if o.FinalSnapshot && !d.Replica && !d.Snapshot && !d.gone {
			d.Snapshot, d.takenByUs = true, true
		}
		d.KeyStays = p.keyStays(d.Key)
	}
	p.Drains = !o.NoDrain && pipeline.CanDrain(p.Resources) &&
		(p.RetainsArchive() || slices.ContainsFunc(p.Databases, func(d Database) bool { return d.Snapshot }))
}

// retains reports whether a resource is among those that stay.
func (p *Plan) retains(physicalID string) bool {
	return physicalID != "" && slices.ContainsFunc(p.Retained, func(r Retained) bool {
		return r.PhysicalID == physicalID || strings.HasSuffix(physicalID, "/"+r.PhysicalID)
	})
}

// keyStays reports whether a key stays: every key that is not the stack's, and retained
// keys of the stack.
func (p *Plan) keyStays(key string) bool {
	stays := true
	for _, k := range stack.OfType(p.Resources, typeKey) {
		if strings.HasSuffix(key, "/"+k.PhysicalID) || key == k.PhysicalID {
			stays = p.retains(k.PhysicalID)
		}
	}
	return stays
}
