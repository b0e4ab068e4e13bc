package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/leftovers"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pause"
)

// Destroy executes a plan: it suspends the pipeline, empties the buckets, deletes the
// stack and follows the deletion to its end. It returns the leftovers. After an
// interruption, a new plan with the same options resumes.
func (o *Operator) Destroy(ctx context.Context, p Plan) ([]stack.Leftover, error) {
	if err := CheckSkip(p.options.SkipStep); err != nil {
		return nil, err
	}
	d := &destroy{parts: o.parts(), plan: p}
	d.skipped = p.options.SkipStep
	return d.run(ctx)
}

// destroy is one destroy.
type destroy struct {
	parts
	plan       Plan
	suspension pipeline.Suspension
	suspended  bool
	left       []stack.Leftover
}

func (d *destroy) run(ctx context.Context) ([]stack.Leftover, error) {
	err := runSteps(ctx, d.withSkip(d.steps()))
	if err != nil && d.suspended && d.plan.Stack.Status.HasReliableOutputs() {
		d.Step("Stopped half way: the API rejects events until `streamctl deploy` resumes the pipeline; `streamctl destroy`, with the same flags, continues")
	}
	return d.left, err
}

// steps are the steps of a destroy, in order. A deploy can revert those before the
// protections are lifted.
func (d *destroy) steps() []step {
	end := []step{
		{"delete the stack", d.delete},
		{"list the leftovers and delete unused code and log groups", d.sweep},
	}
	if d.plan.Stack.Status == stack.StatusDeleting {
		return append([]step{{"check", d.check}, {"lift the protections", d.lift}}, end...)
	}
	return append([]step{
		{"check", d.check},
		{"wait for busy resources", d.await},
		{"set the API's rate limit to 0", d.suspend},
		{"drain the stream", d.drain},
		{"disable the consumers", d.stopConsumers},
		{"take final snapshots", d.finalSnapshots},
		{"lift the protections", d.lift},
		{stepDeny, d.denyWrites},
		{"empty the buckets", d.empty},
		{"check for an interrupt", func(ctx context.Context) (bool, error) { return false, ctx.Err() }},
	}, end...)
}

// check rejects what is impossible, before anything is suspended.
func (d *destroy) check(ctx context.Context) (bool, error) {
	p := d.plan
	if len(p.Protections) > 0 && !p.options.LiftProtection {
		return false, &ProtectedError{Stack: p.Stack.Name, By: p.Protections}
	}
	if len(p.Locked) > 0 && !p.RetainsArchive() {
		return false, &LockedError{Stack: p.Stack.Name, Buckets: p.Locked}
	}
	if p.Stack.Status != stack.StatusDeleting {
		return false, nil
	}
	for _, db := range p.Databases { // too late to take a snapshot, unless an earlier run did
		if !db.takenByUs {
			continue
		}
		taken, err := d.databases.HasFinalSnapshot(ctx, db.ID)
		if err != nil {
			return false, err
		}
		if !taken {
			return false, &stack.StateError{Op: "destroy", Stack: p.Stack.Name, Status: p.Stack.Status, Detail: "no final snapshot of " + db.ID + " was taken before",
				Advice: "take one immediately, while the database exists: `aws rds create-db-snapshot --db-instance-identifier " + db.ID + " --db-snapshot-identifier " + db.ID + "-final-by-hand`"}
		}
	}
	return false, nil
}

// await waits for resources that AWS is changing, while the API still accepts events:
// later steps change them, and AWS would reject that.
func (d *destroy) await(ctx context.Context) (bool, error) {
	for _, db := range d.plan.Databases {
		if err := d.databases.AwaitAvailable(ctx, db.ID); err != nil {
			return false, err
		}
	}
	return false, pipeline.AwaitAPIs(ctx, d.pipeline, d.plan.Resources)
}

func (d *destroy) suspend(ctx context.Context) (_ bool, err error) {
	d.suspension, err = d.pipeline.Suspend(ctx, d.plan.Stack, d.plan.Resources)
	d.suspended = err == nil
	return false, err
}

func (d *destroy) drain(ctx context.Context) (bool, error) {
	if !d.plan.Drains {
		return false, nil
	}
	return false, d.pipeline.Drain(ctx, d.plan.Stack.Name, d.plan.Resources, d.suspension)
}

func (d *destroy) stopConsumers(ctx context.Context) (bool, error) {
	return false, d.pipeline.StopConsumers(ctx, d.plan.Resources)
}

func (d *destroy) finalSnapshots(ctx context.Context) (bool, error) {
	for _, db := range d.plan.Databases {
		if !db.takenByUs {
			continue
		}
		if err := d.databases.FinalSnapshot(ctx, db.ID, d.suspension.Since, !db.KeyStays && db.Key != ""); err != nil {
			return false, err
		}
	}
	return false, nil
}

// lift lifts the protections: the last step that a deploy can revert.
func (d *destroy) lift(ctx context.Context) (bool, error) {
	for _, db := range d.plan.Databases {
		if !db.protected {
			continue
		}
		d.Step("Lifting the deletion protection of database %s", db.ID)
		if err := d.databases.SetProtection(ctx, db.ID, false); err != nil {
			return false, err
		}
	}
	_, err := d.stacks.Protect(ctx, d.plan.Stack, false)
	return false, err
}

func (d *destroy) denyWrites(ctx context.Context) (bool, error) {
	if d.plan.RetainsArchive() {
		return false, nil
	}
	for _, name := range d.plan.Buckets {
		if err := d.pipeline.DenyWrites(ctx, name); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (d *destroy) empty(ctx context.Context) (bool, error) {
	if d.plan.RetainsArchive() {
		return false, nil
	}
	return false, d.emptyBuckets(ctx, d.plan.Buckets, d.plan.Contents, false)
}

func (d *destroy) delete(ctx context.Context) (bool, error) {
	d.expect("delete", stack.Types(d.plan.Resources))
	return false, d.deleteStack(ctx, d.plan.Stack, d.plan.retainIDs, stack.Remove)
}

func (d *destroy) sweep(ctx context.Context) (bool, error) {
	ctx = context.WithoutCancel(ctx) // the stack is gone, even if the user interrupted it
	d.left = d.listLeftovers(ctx, d.plan)
	if artifacts := d.plan.options.ArtifactBucket; artifacts != "" {
		d.left = append(d.left, d.store(artifacts).Sweep(ctx, d.plan.Stack, d.stacks.ParameterValues)...)
	}
	d.left = append(d.left, d.leftovers.DeleteLogGroups(ctx, d.plan.Resources)...)
	return true, nil
}

// busyPause is the pause before a busy resource is deleted again, in poll intervals: a
// minute.
const busyPause = 20

// maxDeletes is the number of times that a delete is begun because of obstacles.
const maxDeletes = 3

// deleteStack deletes a stack. If a bucket is not empty, it empties the bucket and
// deletes again. With resources to retain, the first delete fails and the next one
// retains them, because CloudFormation accepts RetainResources only for a stack in
// DELETE_FAILED. A delete that stops at a function's network interfaces is repeated
// when Lambda has deleted them.
func (p parts) deleteStack(ctx context.Context, s stack.Stack, retain []string, purpose stack.Purpose) error {
	if len(retain) > 0 {
		purpose = stack.RemoveAndRetain
	}
	var letGo []string
	var deadline time.Time
	for attempt := 1; ; attempt++ {
		obstacles, err := p.stacks.Delete(ctx, s, letGo, purpose)
		if err != nil || obstacles == nil {
			return err
		}
		if obstacles.Others || attempt >= maxDeletes {
			return obstacles.Failed
		}
		switch {
		case len(obstacles.Buckets) == 0:
		case len(retain) > 0:
			if letGo, err = p.stillOwned(ctx, s, retain); err != nil {
				return err
			}
			p.Step("Retaining %s", strings.Join(letGo, ", "))
		default:
			if err := p.emptyBuckets(ctx, obstacles.Buckets, nil, p.skipped != stepDeny); err != nil {
				return err
			}
		}
		if obstacles.Busy {
			p.Waiting("resources that another operation changes; then the stack is deleted again: %s", obstacles.Failed.Causes[0].Reason)
			if err := pause.For(ctx, busyPause*p.Poll); err != nil {
				return fmt.Errorf("delete stack %s: %w", s.Name, err)
			}
		}
		if !obstacles.Network {
			continue
		}
		if deadline.IsZero() {
			deadline = p.Clock.Now().Add(leftovers.InterfaceTimeout)
		}
		users, known, err := p.leftovers.WaitForInterfaces(ctx, obstacles.Failed.Causes, deadline)
		if err != nil {
			return err
		}
		if users > 0 || !known && p.Clock.Now().After(deadline) {
			return obstacles.Failed
		}
		if !known {
			attempt-- // only another delete shows whether they are gone
		}
	}
}

// stillOwned returns the logical ids whose resources the stack still owns.
func (p parts) stillOwned(ctx context.Context, s stack.Stack, logicalIDs []string) (out []string, err error) {
	holds, err := p.stacks.Holdings(ctx, s)
	for _, r := range holds {
		if slices.Contains(logicalIDs, r.LogicalID) {
			out = append(out, r.LogicalID)
		}
	}
	return out, err
}

// emptyBuckets empties buckets, after denying writes if deny is true; counted has the
// known contents of some.
func (p parts) emptyBuckets(ctx context.Context, buckets []string, counted []bucket.Contents, deny bool) error {
	for _, name := range buckets {
		if deny {
			if err := p.pipeline.DenyWrites(ctx, name); err != nil {
				return err
			}
		}
		p.Step("Emptying bucket %s", name)
		emptied, err := bucket.Emptier{API: p.buckets, Progress: p.emptyProgress(name, counted), Now: p.Clock.Now}.Empty(ctx, name)
		if err != nil {
			return err
		}
		p.Step("Emptied bucket %s: %d versions, %d delete markers, %d unfinished uploads", name, emptied.Versions, emptied.Markers, emptied.Uploads)
	}
	return nil
}

// emptyProgressEvery is the minimum time between two reports of an emptying.
const emptyProgressEvery = 10 * time.Second

func (p parts) emptyProgress(name string, counted []bucket.Contents) func(bucket.Emptied) {
	var c bucket.Contents
	if i := slices.IndexFunc(counted, func(c bucket.Contents) bool { return c.Bucket == name }); i >= 0 {
		c = counted[i]
	}
	reported := p.Clock.Now()
	return func(e bucket.Emptied) {
		now := p.Clock.Now()
		if now.Sub(reported) < emptyProgressEvery {
			return
		}
		reported = now
		of, deleted := "", e.Versions+e.Markers
		switch total := c.Versions + c.Markers; {
		case deleted > total: // the count ended early or is missing
		case c.Truncated:
			of = fmt.Sprintf(" of more than %d", total)
		default:
			of = fmt.Sprintf(" of about %d", total)
		}
		p.Waiting("bucket %s to be empty: deleted %d%s versions and delete markers", name, deleted, of)
	}
}

// listLeftovers lists the resources that are left on purpose: resources that
// CloudFormation skipped, in this delete, in an earlier one or in an update, and the
// final snapshots of the databases.
func (p parts) listLeftovers(ctx context.Context, plan Plan) (out []stack.Leftover) {
	events, err := p.stacks.Skipped(ctx, plan.Stack.ID)
	if err != nil {
		out = append(out, stack.Unknown("", "AWS::CloudFormation::Stack", plan.Stack.ID, err))
	}
	for _, e := range events {
		l := stack.Leftover{LogicalID: e.LogicalID, Type: e.Type, PhysicalID: e.PhysicalID, Costs: true, Why: "the template retains it"}
		switch {
		case strings.HasPrefix(e.Type, "Custom::"):
			continue // not an AWS resource
		case e.Type == leftovers.TypeAccount || e.Type == leftovers.TypeRole:
			l.Costs = false
		case slices.Contains(plan.retainIDs, e.LogicalID) && e.Type == typeBucket:
			l.Why = "--retain-archive keeps it, with every version"
		case e.Type == typeKey:
			l.Why = "it encrypts snapshots and other data that outlive the stack"
		}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	out = p.leftovers.AccountRole(ctx, out)
	for _, r := range stack.EverOfType(plan.Resources, typeInstance) {
		snapshots, err := p.databases.Snapshots(ctx, r.PhysicalID)
		if err != nil {
			out = append(out, stack.Unknown(r.LogicalID, "AWS::RDS::DBSnapshot", "*", err))
		}
		for _, s := range snapshots {
			out = append(out, stack.Leftover{LogicalID: r.LogicalID, Type: "AWS::RDS::DBSnapshot", PhysicalID: s, Costs: true, Why: "the final state of the database"})
		}
	}
	return out
}
