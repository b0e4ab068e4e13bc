package progress

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

const stackType = "AWS::CloudFormation::Stack"

// phase is a phase of an operation, named after the stack's status.
type phase struct {
	title string
	// op is the operation on resources: create, update or delete.
	op string
	// undoes reports whether the phase rolls back the previous one.
	undoes bool
	// continues reports whether the phase is a part of the previous one, so that counts
	// are kept.
	continues bool
}

// phases maps a stack status to its phase.
var phases = map[string]phase{
	"CREATE_IN_PROGRESS":                           {title: "Creating", op: "create"},
	"UPDATE_IN_PROGRESS":                           {title: "Updating", op: "update"},
	"DELETE_IN_PROGRESS":                           {title: "Deleting", op: "delete"},
	"IMPORT_IN_PROGRESS":                           {title: "Importing into", op: "import"},
	"ROLLBACK_IN_PROGRESS":                         {title: "Undoing the create of", op: "delete", undoes: true},
	"UPDATE_ROLLBACK_IN_PROGRESS":                  {title: "Undoing the update of", op: "update", undoes: true},
	"IMPORT_ROLLBACK_IN_PROGRESS":                  {title: "Undoing the import into", op: "update", undoes: true},
	"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":          {title: "Cleaning up after the update of", continues: true},
	"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {title: "Cleaning up after the update of", continues: true},
}

// resource is a resource's state according to the events.
type resource struct {
	id, kind string
	status   string
	// since is the start of its current or last operation.
	since  time.Time
	took   time.Duration
	active bool
	done   bool
	// seen reports whether an event was about the resource.
	seen bool
	// failed is the reason of its failure; empty if it didn't fail.
	failed string
}

// state is the known state of an operation.
type state struct {
	// expected has types by logical id, by operation.
	expected map[string]map[string]string

	stack string
	phase phase
	// running reports whether the phase is in progress.
	running bool
	// began is the start of the first phase, ended the end of the last.
	began, ended time.Time
	resources    map[string]*resource
	// total reports whether the number of the phase's resources is known.
	total bool
	// undone and of count the resources of the phase that is rolled back: done, and
	// all.
	undone, of int

	// step is the program's current step; waitingFor is the resource or condition it
	// waits for.
	step, waitingFor    string
	stepped, waitingDue time.Time
	// skew is the difference between AWS's clock and this machine's, positive if AWS is
	// ahead.
	skew time.Duration
}

func newState() *state {
	return &state{expected: map[string]map[string]string{}, resources: map[string]*resource{}}
}

// take updates the state with an event.
func (s *state) take(e stack.Event, now time.Time) {
	switch e.Kind {
	case stack.KindWaiting:
		if s.waitingFor != e.Text {
			s.waitingFor, s.waitingDue = e.Text, now
		}
		return
	case stack.KindStep:
		s.step, s.stepped, s.waitingFor = e.Text, now, ""
		return
	}
	s.step, s.waitingFor = "", ""
	s.skew = max(s.skew, e.Time.Sub(now))
	if e.Type == stackType {
		s.takeStack(e)
		return
	}
	r := s.resources[e.LogicalID]
	if r == nil {
		r = &resource{id: e.LogicalID, kind: e.Type}
		s.resources[e.LogicalID] = r
	}
	r.seen, r.kind = true, e.Type
	switch {
	case strings.HasSuffix(e.Status, "_IN_PROGRESS"):
		if !r.active || r.status != e.Status {
			r.since = e.Time
		}
		r.active, r.done = true, false
	case e.Failed():
		r.active = false
		if !e.Consequence() {
			r.failed = e.Status + ": " + e.Reason
		}
	default: // _COMPLETE, _SKIPPED
		if r.active {
			r.took = e.Time.Sub(r.since)
		}
		r.active, r.done = false, true
	}
	r.status = e.Status
}

func (s *state) takeStack(e stack.Event) {
	next, begins := phases[e.Status]
	if !begins {
		s.running, s.ended = false, e.Time
		return
	}
	if s.running && s.phase == next {
		return
	}
	before := s.phase
	s.stack, s.phase, s.running = e.LogicalID, next, true
	if next.continues && !s.began.IsZero() {
		return
	}
	// A phase that undoes or continues the previous one works on its resources.
	cancels := next.op == "delete" && before.op == "create"
	again := next.op == "delete" && before.op == "delete" && !before.undoes
	keeps := next.undoes || cancels || again
	switch {
	case next.undoes, cancels:
		s.undone, s.of = s.counts()
	case !again:
		s.began, s.undone, s.of = e.Time, 0, 0
	}
	if s.began.IsZero() {
		s.began = e.Time
	}
	expected, known := s.expected[next.op]
	known = known && !next.undoes
	s.total = known || keeps && len(s.resources) > 0
	for id, r := range s.resources {
		if known && expected[id] == "" || !known && (!keeps || !r.seen) {
			delete(s.resources, id)
			continue
		}
		r.active = false
		if !again {
			r.done, r.took = false, 0
		}
		if !next.undoes {
			r.failed = ""
		}
	}
	if !known {
		return
	}
	for id, kind := range expected {
		if s.resources[id] == nil {
			s.resources[id] = &resource{id: id, kind: kind}
		}
	}
}

// counts returns the number of finished resources and the total.
func (s *state) counts() (done, of int) {
	for _, r := range s.resources {
		if r.done {
			done++
		}
	}
	return done, len(s.resources)
}

// waits reports whether a resource or step is in progress.
func (s *state) waits() bool {
	return s.waitingFor != "" || slices.ContainsFunc(s.sorted(), func(r *resource) bool { return r.active })
}

// sorted returns the resources, earliest start first.
func (s *state) sorted() []*resource {
	var out []*resource
	for _, r := range s.resources {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *resource) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id)) })
	return out
}

// active returns the resources in progress, earliest start first.
func (s *state) active() []*resource {
	return slices.DeleteFunc(s.sorted(), func(r *resource) bool { return !r.active })
}

// elapsed returns the time since an instant of AWS's clock.
func (s *state) elapsed(since, now time.Time) time.Duration {
	return max(0, now.Add(s.skew).Sub(since))
}

// doing describes a resource's current operation and its duration.
func (s *state) doing(r *resource, now time.Time) string {
	text := r.id + ": " + verb(r.status) + ", " + span(s.elapsed(r.since, now))
	if u := typicalDuration(r.kind, r.status); u != "" {
		text += "; usually " + u
	}
	return text
}

// verb returns the verb for a status, such as "creating".
func verb(status string) string {
	op, _, _ := strings.Cut(status, "_")
	switch op {
	case "CREATE":
		return "creating"
	case "DELETE":
		return "deleting"
	case "IMPORT":
		return "importing"
	}
	return "updating"
}
