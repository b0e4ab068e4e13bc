package deploy

import "slices"

// Stance is what an operation does about a stack's status.
type Stance string

// The stances.
const (
	// Create makes a stack: there is none.
	Create Stance = "create"
	// Update changes the stack.
	Update Stance = "update"
	// Wait is for the end of another operation: it is named, and waited for
	// when that is asked for.
	Wait Stance = "wait"
	// Attach follows the operation that runs, which does what is wanted.
	Attach Stance = "attach"
	// Replace removes what is left of a create that failed, and creates. What
	// the stack still holds is said first; where it holds anything, somebody
	// has to agree.
	Replace Stance = "replace"
	// Resume finishes a rollback that failed, where that is asked for, and then
	// updates.
	Resume Stance = "resume"
	// Refuse changes nothing and says what does.
	Refuse Stance = "refuse"
	// Delete deletes the stack.
	Delete Stance = "delete"
	// Nothing is there to do.
	Nothing Stance = "nothing"
)

// State is a status of a stack and what is done about it.
type State struct {
	Status Status
	// Meaning is what it says about the stack.
	Meaning         string
	Deploy, Destroy Stance
	// Outputs says that the stack's outputs can be relied on.
	Outputs bool
	// Next is what a person can do where deploy refuses or waits.
	Next string
}

// StatusNone stands for no stack at all.
const StatusNone Status = "no stack"

const (
	nextWait    = "wait until it ends: `streamctl deploy --wait` does, `streamctl status --follow` shows it"
	nextDestroy = "`streamctl destroy` says what it still holds and removes it; then deploy again"
)

// states is every status that CloudFormation has, in the order of a stack's life.
var states = []State{
	{StatusNone, "there is no such stack", Create, Nothing, false, ""},
	{StatusReview, "only a change set was made, nothing else", Replace, Delete, false, "somebody may be about to execute that change set: `aws cloudformation list-change-sets` shows it"},
	{"CREATE_IN_PROGRESS", "it is being made", Attach, Delete, false, nextWait},
	{"CREATE_COMPLETE", "it was made", Update, Delete, true, ""},
	{StatusCreateFailed, "a create failed and kept what it had made", Refuse, Delete, false, nextDestroy},
	{"ROLLBACK_IN_PROGRESS", "a create failed and is being undone", Wait, Wait, false, nextWait},
	{StatusRollbackComplete, "a create failed and was undone", Replace, Delete, false, ""},
	{StatusRollbackFailed, "a create failed and could not be undone: resources are left", Refuse, Delete, false, nextDestroy},
	{"UPDATE_IN_PROGRESS", "it is being changed", Attach, Wait, false, nextWait},
	{"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "it was changed; what was replaced is being deleted", Wait, Wait, true, nextWait},
	{"UPDATE_COMPLETE", "it was changed", Update, Delete, true, ""},
	{"UPDATE_FAILED", "an update failed and was told not to be undone", Refuse, Delete, false, "`aws cloudformation rollback-stack --stack-name NAME` undoes it; then deploy again"},
	{"UPDATE_ROLLBACK_IN_PROGRESS", "an update failed and is being undone", Wait, Wait, false, nextWait},
	{"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "an update was undone; what it had made is being deleted", Wait, Wait, true, nextWait},
	{"UPDATE_ROLLBACK_COMPLETE", "an update failed; the stack is as it was before", Update, Delete, true, ""},
	{StatusUpdateRbFailed, "an update failed and could not be undone", Resume, Delete, false, "`streamctl deploy --continue-rollback` tries again, with --skip LOGICALID for what can't be put back"},
	{"DELETE_IN_PROGRESS", "it is being deleted", Wait, Attach, false, "wait until it is gone: `streamctl deploy --wait` does, and makes it anew"},
	{StatusDeleteFailed, "a delete stopped half way: resources are left", Refuse, Delete, false, nextDestroy},
	{StatusDeleteComplete, "it was deleted", Create, Nothing, false, ""},
	{"IMPORT_IN_PROGRESS", "resources are being imported", Wait, Wait, false, nextWait},
	{"IMPORT_COMPLETE", "resources were imported", Update, Delete, true, ""},
	{"IMPORT_ROLLBACK_IN_PROGRESS", "an import failed and is being undone", Wait, Wait, false, nextWait},
	{"IMPORT_ROLLBACK_COMPLETE", "an import failed; the stack is as it was before", Update, Delete, true, ""},
	{"IMPORT_ROLLBACK_FAILED", "an import failed and could not be undone", Refuse, Delete, false, "`aws cloudformation describe-stack-events` says what could not be undone; put that right by hand"},
}

// States gives the table of docs/states.md.
func States() []State { return slices.Clone(states) }

// state looks a status up; one that is new to this program is waited for or
// refused.
func (s Status) state() State {
	i := slices.IndexFunc(states, func(t State) bool { return t.Status == s })
	if i >= 0 {
		return states[i]
	}
	unknown := State{Status: s, Meaning: "this version of streamctl doesn't know it", Deploy: Refuse, Destroy: Refuse, Next: "look at the stack in the console; a newer streamctl may know more"}
	if s.Busy() {
		unknown.Deploy, unknown.Destroy, unknown.Next = Wait, Wait, nextWait
	}
	return unknown
}

// Meaning says in words what a status says about a stack.
func (s Status) Meaning() string { return s.state().Meaning }

// Next is what a person can do about a status; empty where all is well.
func (s Status) Next() string { return s.state().Next }

// OutputsHold says that a stack's outputs can be relied on.
func (s Status) OutputsHold() bool { return s.state().Outputs }
