package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Leftover is something that is still there after a stack is gone.
type Leftover struct {
	LogicalID  string `json:"logicalId"`
	Type       string `json:"type"`
	PhysicalID string `json:"physicalId"`
	// Why says what it is good for.
	Why string `json:"why"`
	// Costs says that it holds data or costs money, so that somebody should
	// know of it.
	Costs bool `json:"costs"`
}

// Destroy carries a plan out: stops what writes, empties the buckets, deletes
// the stack and follows it to the end. It gives what is left. Run again after
// an interruption, it goes on where it was.
func (o *Operator) Destroy(ctx context.Context, p Plan, liftProtection bool) ([]Leftover, error) {
	if len(p.Protections) > 0 {
		if !liftProtection {
			return nil, &ProtectedError{Stack: p.Stack.Name, By: p.Protections}
		}
	}
	if err := o.check(ctx, p); err != nil {
		return nil, err
	}
	if p.Stack.Status == "DELETE_IN_PROGRESS" {
		if err := o.lift(ctx, p); err != nil {
			return nil, err
		}
	} else {
		h, err := o.stopAPI(ctx, p)
		if err != nil {
			return nil, err
		}
		if err := cmp.Or(o.takeDown(ctx, p, h), ctx.Err()); err != nil {
			if p.Stack.Status.OutputsHold() {
				o.step("stopped half way: the API accepts nothing until `streamctl deploy` puts that back; `streamctl destroy`, with the flags it had, goes on")
			}
			return nil, err
		}
	}
	if err := o.deleteStack(ctx, p.Stack, p.retained...); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // interrupted or not, it is gone
	return slices.Concat(o.leftovers(ctx, p), o.sweepCode(ctx, p), o.sweepLogs(ctx, p)), nil
}

// takeDown brings a stack, whose API accepts nothing any more, to where its
// deletion loses nothing that shall stay.
func (o *Operator) takeDown(ctx context.Context, p Plan, h halt) error {
	if p.Drains() {
		if err := o.drain(ctx, p, h); err != nil {
			return err
		}
	}
	if err := o.stopMappings(ctx, p.Resources); err != nil {
		return err
	}
	if err := o.finalSnapshots(ctx, p, h.since); err != nil {
		return err
	}
	if err := o.lift(ctx, p); err != nil { // as late as can be
		return err
	}
	if len(p.retained) > 0 {
		return nil
	}
	return o.emptyAll(ctx, p.Buckets, p.Contents)
}

// check refuses what can't be done, before anything is stopped.
func (o *Operator) check(ctx context.Context, p Plan) error {
	if len(p.Locked) > 0 && len(p.retained) == 0 {
		return &LockedError{Stack: p.Stack.Name, Buckets: p.Locked}
	}
	if p.Stack.Status != "DELETE_IN_PROGRESS" {
		return nil
	}
	for _, d := range p.Databases { // too late to take one by ourselves, unless that was done before
		if !d.ours {
			continue
		}
		there, err := o.snapshots(ctx, []Resource{{PhysicalID: d.ID}})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(there, func(s string) bool { return strings.HasPrefix(s, d.ID+"-final-") }) {
			return &StateError{Op: "destroy", Stack: p.Stack.Name, Status: string(p.Stack.Status), Meaning: "it is being deleted, and no final snapshot of " + d.ID + " was taken before",
				hint: "take one at once, while the database is there: `aws rds create-db-snapshot --db-instance-identifier " + d.ID + " --db-snapshot-identifier " + d.ID + "-final-by-hand`"}
		}
	}
	return nil
}

func (o *Operator) lift(ctx context.Context, p Plan) error {
	for _, d := range p.Databases {
		if !d.protected {
			continue
		}
		o.step("lifting the deletion protection of database " + d.ID)
		if err := o.setProtection(ctx, d.ID, false); err != nil {
			return err
		}
	}
	_, err := o.protect(ctx, p.Stack, false)
	return err
}

// emptyAll empties buckets, of which some have been counted, and says now and
// then how far it is.
func (o *Operator) emptyAll(ctx context.Context, buckets []string, counted []Contents) error {
	for _, bucket := range buckets {
		if err := o.denyWrites(ctx, bucket); err != nil {
			return err
		}
		o.step("emptying bucket " + bucket)
		emptied, err := Emptier{API: o.Buckets, Progress: o.emptyProgress(bucket, counted), Now: o.now}.Empty(ctx, bucket)
		if err != nil {
			return err
		}
		o.step(fmt.Sprintf("emptied bucket %s: %d versions, %d delete markers, %d unfinished uploads", bucket, emptied.Versions, emptied.Markers, emptied.Uploads))
	}
	return nil
}

// emptyProgressEvery is how often it is said at most how far an emptying is.
const emptyProgressEvery = 10 * time.Second

func (o *Operator) emptyProgress(bucket string, counted []Contents) func(Emptied) {
	var c Contents
	if i := slices.IndexFunc(counted, func(c Contents) bool { return c.Bucket == bucket }); i >= 0 {
		c = counted[i]
	}
	told := o.now()
	return func(e Emptied) {
		now := o.now()
		if now.Sub(told) < emptyProgressEvery {
			return
		}
		told = now
		of, gone := "", e.Versions+e.Markers
		switch counted := c.Versions + c.Markers; {
		case gone > counted: // nobody counted so far
		case c.More:
			of = fmt.Sprintf(", of more than %d", counted)
		default:
			of = fmt.Sprintf(", of about %d", counted)
		}
		o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("bucket %s to be empty: %d versions and delete markers are gone%s", bucket, gone, of)})
	}
}

// unknown is what couldn't be looked at, or deleted, once the stack was gone: that
// is no failure any more, but somebody has to know.
func unknown(logicalID, kind, physicalID string, err error) Leftover {
	return Leftover{LogicalID: logicalID, Type: kind, PhysicalID: physicalID, Costs: true, Why: "what is left of it isn't known: " + err.Error()}
}

// skipped is the status of what a delete passes over, because the template keeps
// it.
const skipped = "DELETE_SKIPPED"

// leftovers are what is left on purpose: what CloudFormation skipped, in this
// delete, in one that failed before, or in an update, and the snapshots that it
// took of the databases.
func (o *Operator) leftovers(ctx context.Context, p Plan) (out []Leftover) {
	events, err := o.news(ctx, &watch{id: p.Stack.ID, seen: map[string]bool{}})
	if err != nil {
		out = append(out, unknown("", "AWS::CloudFormation::Stack", p.Stack.ID, err))
	}
	for _, e := range events {
		if e.Status != skipped {
			continue
		}
		l := Leftover{LogicalID: e.LogicalID, Type: e.Type, PhysicalID: e.PhysicalID, Costs: true, Why: "the template keeps it"}
		switch {
		case strings.HasPrefix(e.Type, "Custom::"):
			continue // nothing stands behind it
		case e.Type == typeAccount || e.Type == typeRole:
			l.Costs = false
		case slices.Contains(p.retained, e.LogicalID) && e.Type == typeBucket:
			l.Why = "--retain-archive keeps it, with every version"
		case e.Type == typeKey:
			l.Why = "snapshots and whatever else outlives the stack are unreadable without it"
		}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	out = o.accountRole(ctx, out)
	snapshots, err := o.snapshots(ctx, everOf(p.Resources, typeInstance))
	if err != nil {
		out = append(out, unknown("Database", "AWS::RDS::DBSnapshot", "*", err))
	}
	for _, s := range snapshots {
		out = append(out, Leftover{LogicalID: "Database", Type: "AWS::RDS::DBSnapshot", PhysicalID: s, Costs: true, Why: "the database as it was at the end"})
	}
	return out
}

// IsNotFound says that an error means that the stack isn't there.
func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
