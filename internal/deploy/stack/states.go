package stack

import "slices"

// Action is the reaction of an operation to a stack's status.
type Action string

// The actions.
const (
	// Create creates the stack, which does not exist.
	Create Action = "create"
	// Update updates the stack.
	Update Action = "update"
	// Wait waits for the end of another operation if the user asked for that, and
	// otherwise reports it.
	Wait Action = "wait"
	// Attach follows the running operation, which does what the user wants.
	Attach Action = "attach"
	// Recreate deletes the remains of a failed create, and creates the stack. The
	// user has to confirm if the stack still owns anything, except for a create of this
	// program without data.
	Recreate Action = "recreate"
	// Resume finishes a failed rollback if the user asked for that, and then
	// updates the stack.
	Resume Action = "resume"
	// Refuse changes nothing and reports how to continue.
	Refuse Action = "refuse"
	// Delete deletes the stack.
	Delete Action = "delete"
	// Nothing has nothing to do.
	Nothing Action = "nothing"
)

// State is a status of a stack, and what the operations do about it.
type State struct {
	Status Status
	// Meaning describes the status.
	Meaning         string
	Deploy, Destroy Action
	// Outputs reports whether the stack's outputs are reliable.
	Outputs bool
	// Next is the next step for a user if deploy refuses or waits.
	Next string
}

// StatusNone is the status of a stack that does not exist.
const StatusNone Status = "no stack"

const (
	nextWait    = "wait until it ends: `streamctl deploy --wait` does, `streamctl status --follow` shows it"
	nextUndo    = "`streamctl deploy` deletes the remains of its own create and starts over; for a create of another program, `streamctl destroy --undo-create` deletes them"
	nextDestroy = "`streamctl destroy` lists the remaining resources and deletes them; then deploy again"
)

// states has every status of CloudFormation, in the order of a stack's life.
var states = []State{
	{StatusNone, "the stack does not exist", Create, Nothing, false, ""},
	{StatusReview, "the stack has a change set and nothing else", Recreate, Delete, false, "another operator may be about to execute that change set: `aws cloudformation list-change-sets` shows it"},
	{StatusCreating, "the stack is being created", Attach, Delete, false, nextWait},
	{StatusCreated, "the stack was created", Update, Delete, true, ""},
	{StatusCreateFailed, "creating the stack failed, and its resources were kept", Refuse, Delete, false, nextDestroy},
	{StatusRollingBack, "creating the stack failed and is being rolled back", Wait, Wait, false, nextWait},
	{StatusRollbackComplete, "creating the stack failed and was rolled back", Recreate, Delete, false, ""},
	{StatusRollbackFailed, "creating the stack failed, and so did the rollback: resources remain", Recreate, Delete, false, nextUndo},
	{"UPDATE_IN_PROGRESS", "the stack is being updated", Attach, Wait, false, nextWait},
	{"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "the stack was updated; replaced resources are being deleted", Wait, Wait, true, nextWait},
	{StatusUpdated, "the stack was updated", Update, Delete, true, ""},
	{"UPDATE_FAILED", "an update failed, with rollback disabled", Refuse, Delete, false, "`aws cloudformation rollback-stack --stack-name NAME` rolls it back; then deploy again"},
	{"UPDATE_ROLLBACK_IN_PROGRESS", "an update failed and is being rolled back", Wait, Wait, false, nextWait},
	{"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "an update was rolled back; its new resources are being deleted", Wait, Wait, true, nextWait},
	{StatusUpdateRolledBack, "an update failed and was rolled back; the stack is as before", Update, Delete, true, ""},
	{StatusUpdateRbFailed, "an update failed, and so did the rollback", Resume, Delete, false, "`streamctl deploy --continue-rollback` tries again, with --skip LOGICALID for resources that can't be restored"},
	{StatusDeleting, "the stack is being deleted", Wait, Attach, false, "wait until it is gone: `streamctl deploy --wait` does, and creates it again"},
	{StatusDeleteFailed, "deleting the stack failed: resources remain", Refuse, Delete, false, nextDestroy},
	{StatusDeleteComplete, "the stack was deleted", Create, Nothing, false, ""},
	{"IMPORT_IN_PROGRESS", "resources are being imported", Wait, Wait, false, nextWait},
	{"IMPORT_COMPLETE", "resources were imported", Update, Delete, true, ""},
	{"IMPORT_ROLLBACK_IN_PROGRESS", "an import failed and is being rolled back", Wait, Wait, false, nextWait},
	{"IMPORT_ROLLBACK_COMPLETE", "an import failed; the stack is as before", Update, Delete, true, ""},
	{"IMPORT_ROLLBACK_FAILED", "an import failed, and so did the rollback", Refuse, Delete, false, "`aws cloudformation describe-stack-events` shows the failed resource; fix it by hand"},
}

// States returns the table of docs/states.md.
func States() []State { return slices.Clone(states) }

// state finds a status in the table. A status that is unknown to this version is
// waited for or refused.
func (s Status) state() State {
	i := slices.IndexFunc(states, func(t State) bool { return t.Status == s })
	if i >= 0 {
		return states[i]
	}
	unknown := State{Status: s, Meaning: "this version of streamctl doesn't know the status", Deploy: Refuse, Destroy: Refuse, Next: "look at the stack in the AWS console; a newer streamctl may know more"}
	if s.Busy() {
		unknown.Deploy, unknown.Destroy, unknown.Next = Wait, Wait, nextWait
	}
	return unknown
}

// Deploy is the action of a deploy on a stack with the status.
func (s Status) Deploy() Action { return s.state().Deploy }

// Destroy is the action of a destroy on a stack with the status.
func (s Status) Destroy() Action { return s.state().Destroy }

// Meaning describes the status.
func (s Status) Meaning() string { return s.state().Meaning }

// Next is the next step for a user; empty if no step is necessary.
func (s Status) Next() string { return s.state().Next }

// HasReliableOutputs reports whether a stack's outputs are reliable.
func (s Status) HasReliableOutputs() bool { return s.state().Outputs }
