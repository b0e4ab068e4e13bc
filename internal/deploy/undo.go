package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// undoAge is the age from which a failed create may hold data that is in use: its
// database has been running since then.
const undoAge = 24 * time.Hour

// UndoPlan lists what the undo of a failed create deletes. CloudFormation can't delete a
// protected database, so the rollback of its own stops there.
type UndoPlan struct {
	Stack     stack.Stack       `json:"stack"`
	Resources []stack.Resource  `json:"resources"`
	Contents  []bucket.Contents `json:"contents,omitempty"`
	// Databases are deleted without a snapshot.
	Databases []UndoDatabase `json:"databases,omitempty"`
	// Keys are the ids of the keys whose deletion is scheduled.
	Keys []string `json:"keys,omitempty"`
	// Doubts are the reasons why the stack may hold data that is needed. Without any, a
	// deploy undoes its own create without a question.
	Doubts []string `json:"doubts,omitempty"`
}

// UndoDatabase is a database instance that a failed create made.
type UndoDatabase struct {
	ID string `json:"id"`
	// ResourceID is RDS's immutable id of the instance.
	ResourceID string `json:"resourceId"`

	protected bool
}

// Lines describe the plan.
func (p UndoPlan) Lines() []string {
	out := []string{fmt.Sprintf("stack %s is %s: %s", p.Stack.Name, p.Stack.Status, p.Stack.Status.Meaning())}
	for _, d := range p.Databases {
		out = append(out, fmt.Sprintf("  remaining: %s %s (%s): it is deleted with its automated backups, without a snapshot", typeInstance, d.ID, d.ResourceID))
	}
	for _, c := range p.Contents {
		out = append(out, fmt.Sprintf("  remaining: %s %s with %d versions, %d delete markers and %d unfinished uploads: it is deleted", typeBucket, c.Bucket, c.Versions, c.Markers, c.Uploads))
	}
	for _, k := range p.Keys {
		out = append(out, fmt.Sprintf("  remaining: %s %s: its deletion is scheduled, in 30 days", typeKey, k))
	}
	for _, r := range p.Resources {
		if r.Exists() && !slices.Contains([]string{typeInstance, typeBucket, typeKey}, r.Type) {
			out = append(out, fmt.Sprintf("  remaining: %s %s (%s)", r.Type, r.PhysicalID, r.LogicalID))
		}
	}
	for _, d := range p.Doubts {
		out = append(out, "  check first: "+d)
	}
	return out
}

// holdsObjects reports whether a bucket is not empty.
func (p UndoPlan) holdsObjects() bool {
	return slices.ContainsFunc(p.Contents, func(c bucket.Contents) bool { return !c.Empty() })
}

// PlanUndo returns what the undo of a failed create deletes. It changes nothing. A stack
// that was complete at some time is a *stack.StateError.
func (o *Operator) PlanUndo(ctx context.Context, name string) (UndoPlan, error) {
	p := o.parts()
	s, err := p.stacks.Describe(ctx, name)
	if err != nil {
		return UndoPlan{}, err
	}
	if s.Status.Busy() && s.Status != stack.StatusDeleting {
		return UndoPlan{}, &stack.BusyError{Stack: s.Name, Status: s.Status, Since: s.Since()}
	}
	plan, creation, err := p.planUndo(ctx, s)
	if err == nil && (creation.Completed || !slices.Contains([]stack.Status{stack.StatusRollbackFailed, stack.StatusRollbackComplete, stack.StatusCreateFailed, stack.StatusDeleteFailed, stack.StatusDeleting}, s.Status)) {
		err = &stack.StateError{Op: "undo the create of", Stack: s.Name, Status: s.Status, Detail: "only a create that failed can be undone", Advice: "`streamctl destroy` without --undo-create deletes the stack"}
	}
	return plan, err
}

// UndoCreate carries out a plan that the user agreed to, and returns what is left.
func (o *Operator) UndoCreate(ctx context.Context, plan UndoPlan) ([]stack.Leftover, error) {
	return (&undo{parts: o.parts(), plan: plan, agreed: plan.holdsObjects()}).run(ctx)
}

// planUndo reads what a failed create left.
func (p parts) planUndo(ctx context.Context, s stack.Stack) (UndoPlan, stack.Creation, error) {
	plan := UndoPlan{Stack: s}
	creation, err := stack.ReadCreation(ctx, p.stacks, s)
	if err != nil {
		return plan, creation, err
	}
	if plan.Resources, err = p.stacks.Resources(ctx, s.ID); err != nil {
		return plan, creation, err
	}
	for _, r := range stack.OfType(plan.Resources, typeBucket) {
		c, err := bucket.Count(ctx, p.buckets, p.Caller.Account, r.PhysicalID)
		if err != nil {
			return plan, creation, err
		}
		plan.Contents = append(plan.Contents, c)
	}
	for _, r := range stack.OfType(plan.Resources, typeInstance) {
		instance, err := p.databases.OfStack(ctx, r.PhysicalID, s)
		if err != nil {
			return plan, creation, err
		}
		if instance == nil {
			continue
		}
		d := UndoDatabase{ID: aws.ToString(instance.DBInstanceIdentifier), ResourceID: aws.ToString(instance.DbiResourceId), protected: aws.ToBool(instance.DeletionProtection)}
		if aws.ToString(instance.ReadReplicaSourceDBInstanceIdentifier) != "" { // before its source
			plan.Databases = slices.Insert(plan.Databases, 0, d)
		} else {
			plan.Databases = append(plan.Databases, d)
		}
	}
	for _, r := range stack.EverOfType(plan.Resources, typeKey) {
		if r.Status != "DELETE_COMPLETE" {
			plan.Keys = append(plan.Keys, r.PhysicalID)
		}
	}
	plan.Doubts = p.doubts(plan, creation)
	return plan, creation, nil
}

// DoubtForeign is the doubt about a create that another program began.
const DoubtForeign = "the create was not begun by `streamctl deploy`"

// doubts are the conditions of an undo without a question that do not hold.
func (p parts) doubts(plan UndoPlan, c stack.Creation) (out []string) {
	switch {
	case c.Completed:
		out = append(out, "the stack was complete once")
	case !c.Own():
		out = append(out, DoubtForeign)
	}
	for _, b := range plan.Contents {
		if !b.Empty() {
			out = append(out, "bucket "+b.Bucket+" is not empty: events were accepted")
		}
	}
	switch age := p.Clock.Now().Sub(c.Failed); {
	case c.Failed.IsZero():
		out = append(out, "the time of the failure is unknown")
	case age >= undoAge:
		out = append(out, fmt.Sprintf("the create failed at %s, more than 24 hours ago", c.Failed.UTC().Format("2006-01-02 15:04 MST")))
	}
	return out
}

// undo is the deletion of the remains of a failed create. The stack is the record of its
// progress: after an interruption, the same steps run again.
type undo struct {
	parts
	plan UndoPlan
	// agreed reports that the user agreed to delete the contents of the buckets.
	agreed bool
	left   []stack.Leftover
}

func (u *undo) run(ctx context.Context) ([]stack.Leftover, error) {
	err := runSteps(ctx, u.steps())
	return u.left, err
}

// steps are the steps of the undo of a failed create, in order.
func (u *undo) steps() []step {
	return []step{
		{"lift the protections", u.lift},
		{"wait until the databases are available", u.await},
		{"delete the databases without a snapshot", u.deleteDatabases},
		{"schedule the deletion of the keys", u.scheduleKeys},
		{"delete the stack", u.deleteStack},
		{"list the leftovers and delete log groups", u.sweep},
	}
}

func (u *undo) lift(ctx context.Context) (bool, error) {
	if u.plan.Stack.Status != stack.StatusDeleting {
		if _, err := u.stacks.Protect(ctx, u.plan.Stack, false); err != nil {
			return false, err
		}
	}
	return false, u.eachDatabase(ctx, func(d UndoDatabase) error {
		if !d.protected {
			return nil
		}
		u.Step("Lifting the deletion protection of database %s", d.ID)
		return u.databases.SetProtection(ctx, d.ID, false)
	})
}

// eachDatabase calls do for the instances of the plan that still exist, which their
// immutable ids show.
func (u *undo) eachDatabase(ctx context.Context, do func(UndoDatabase) error) error {
	for _, d := range u.plan.Databases {
		now, err := u.databases.OfStack(ctx, d.ID, u.plan.Stack)
		if err != nil {
			return err
		}
		if now == nil || aws.ToString(now.DbiResourceId) != d.ResourceID {
			continue
		}
		if err := do(d); err != nil {
			return err
		}
	}
	return nil
}

func (u *undo) await(ctx context.Context) (bool, error) {
	return false, u.eachDatabase(ctx, func(d UndoDatabase) error { return u.databases.AwaitAvailable(ctx, d.ID) })
}

func (u *undo) deleteDatabases(ctx context.Context) (bool, error) {
	return false, u.eachDatabase(ctx, func(d UndoDatabase) error { return u.databases.Delete(ctx, d.ID, d.ResourceID) })
}

// hasSnapshot reports whether a snapshot of the create's databases exists, or may exist.
func (p parts) hasSnapshot(ctx context.Context, plan UndoPlan) bool {
	var ids []string
	for _, r := range stack.EverOfType(plan.Resources, typeInstance) {
		ids = append(ids, r.PhysicalID)
	}
	snapshots, err := p.databases.Snapshots(ctx, ids...)
	return err != nil || len(snapshots) > 0
}

// scheduleKeys schedules the deletion of the keys, which the delete of the stack keeps.
func (u *undo) scheduleKeys(ctx context.Context) (bool, error) {
	for _, id := range u.plan.Keys {
		date, err := u.keys.ScheduleDeletion(ctx, id)
		if err != nil {
			return false, err
		}
		if !date.IsZero() {
			u.left = append(u.left, stack.Leftover{LogicalID: "Key", Type: typeKey, PhysicalID: id,
				Why: "KMS deletes it on " + date.UTC().Format(time.DateOnly) + "; `aws kms cancel-key-deletion --key-id " + id + "` keeps it"})
		}
	}
	return false, nil
}

// deleteStack deletes the stack. Without the user's consent it does not empty a bucket: an
// event was accepted since the check, and the next run asks.
func (u *undo) deleteStack(ctx context.Context) (bool, error) {
	u.expect("delete", stack.Types(u.plan.Resources))
	if u.agreed {
		return false, u.parts.deleteStack(ctx, u.plan.Stack, nil, stack.Undo)
	}
	obstacles, err := u.stacks.Delete(ctx, u.plan.Stack, nil, stack.Undo)
	switch {
	case err != nil || obstacles == nil:
		return false, err
	case len(obstacles.Buckets) > 0 || obstacles.Others:
		return false, obstacles.Failed
	}
	return false, u.parts.deleteStack(ctx, u.plan.Stack, nil, stack.Undo) // waits for network interfaces
}

func (u *undo) sweep(ctx context.Context) (bool, error) {
	ctx = context.WithoutCancel(ctx) // the stack is gone, even if the user interrupted it
	for _, l := range u.listLeftovers(ctx, Plan{Stack: u.plan.Stack, Resources: u.plan.Resources}) {
		scheduled := slices.ContainsFunc(u.left, func(k stack.Leftover) bool { return k.PhysicalID == l.PhysicalID })
		if !scheduled {
			u.left = append(u.left, l)
		}
	}
	u.left = append(u.left, u.leftovers.DeleteLogGroups(ctx, u.plan.Resources)...)
	return true, nil
}

// undoOwn undoes a create that this run saw fail. It leaves the remains if they may be
// needed: then the next run asks.
func (r *run) undoOwn(ctx context.Context, failed *stack.FailedError, s stack.Stack) error {
	plan, _, err := r.planUndo(ctx, s)
	if err != nil {
		return errors.Join(failed, err)
	}
	if len(plan.Doubts) > 0 {
		failed.Remains = plan.Lines()
		return failed
	}
	r.Step("Deleting the remains of the failed create of stack %s", s.Name)
	left, err := (&undo{parts: r.parts, plan: plan}).run(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	failed.Undone, failed.Left = true, left
	return failed
}

// undoEarlier undoes a create that failed in an earlier run, and asks if its remains may
// be needed.
func (r *run) undoEarlier(ctx context.Context, s stack.Stack) error {
	plan, _, err := r.planUndo(ctx, s)
	if err != nil {
		return err
	}
	u := &undo{parts: r.parts, plan: plan}
	if len(plan.Doubts) > 0 {
		if r.decide.ConfirmUndo == nil {
			return r.refuse(ctx, "update", s, s.Status.Next())
		}
		if err := r.decide.ConfirmUndo(ctx, s.Name, strings.Join(plan.Lines(), "\n")); err != nil {
			return err
		}
		u.agreed = plan.holdsObjects()
	} else {
		r.Step("Deleting the remains of the failed create of stack %s", s.Name)
	}
	_, err = u.run(ctx)
	return err
}
