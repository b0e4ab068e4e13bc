package progress

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

const stackType = "AWS::CloudFormation::Stack"

// phase is a stretch of an operation: what CloudFormation does to the stack.
type phase struct {
	title string
	// op is what it does to resources: create, update or delete.
	op string
	// undoes says that it takes back the one before.
	undoes bool
	// goesOn says that it belongs to the one before: nothing is counted anew.
	goesOn bool
}

// phases are known by the stack's status.
var phases = map[string]phase{
	"CREATE_IN_PROGRESS":                           {title: "Creating", op: "create"},
	"UPDATE_IN_PROGRESS":                           {title: "Updating", op: "update"},
	"DELETE_IN_PROGRESS":                           {title: "Deleting", op: "delete"},
	"IMPORT_IN_PROGRESS":                           {title: "Importing into", op: "import"},
	"ROLLBACK_IN_PROGRESS":                         {title: "Undoing the create of", op: "delete", undoes: true},
	"UPDATE_ROLLBACK_IN_PROGRESS":                  {title: "Undoing the update of", op: "update", undoes: true},
	"IMPORT_ROLLBACK_IN_PROGRESS":                  {title: "Undoing the import into", op: "update", undoes: true},
	"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":          {title: "Cleaning up after the update of", goesOn: true},
	"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {title: "Cleaning up after the update of", goesOn: true},
}

// resource is a resource as the events tell it.
type resource struct {
	id, kind string
	status   string
	// since is when it began what it does, or did last.
	since  time.Time
	took   time.Duration
	active bool
	done   bool
	// seen says that an event named it.
	seen bool
	// failed is why it failed; empty when it didn't.
	failed string
}

// state is what is known of an operation.
type state struct {
	// expected are types by logical id, by operation.
	expected map[string]map[string]string

	stack string
	phase phase
	// running says that the phase hasn't ended.
	running bool
	// began is when the first phase began, ended when the last one ended.
	began, ended time.Time
	resources    map[string]*resource
	// total says that it is known how many resources the phase has.
	total bool
	// undone is what the phase that is taken back had done, of how many.
	undone, of int

	// step is what this program does, waitingFor what it waits for, since when.
	step, waitingFor    string
	stepped, waitingDue time.Time
	// skew is how far the clock of AWS is ahead of this one.
	skew time.Duration
}

func newState() *state {
	return &state{expected: map[string]map[string]string{}, resources: map[string]*resource{}}
}

// take takes an event in.
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
	if next.goesOn && !s.began.IsZero() {
		return
	}
	// What it takes back, or goes on with, is what it has to do with.
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

// counts are the resources that are done, of how many.
func (s *state) counts() (done, of int) {
	for _, r := range s.resources {
		if r.done {
			done++
		}
	}
	return done, len(s.resources)
}

// waits says that something is being waited for.
func (s *state) waits() bool {
	return s.waitingFor != "" || slices.ContainsFunc(s.sorted(), func(r *resource) bool { return r.active })
}

// sorted are the resources: those that began first at the front.
func (s *state) sorted() []*resource {
	var out []*resource
	for _, r := range s.resources {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *resource) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id)) })
	return out
}

// active are the resources that do something, the one that began first at the
// front.
func (s *state) active() []*resource {
	return slices.DeleteFunc(s.sorted(), func(r *resource) bool { return !r.active })
}

// elapsed is the time since a time by the clock of AWS.
func (s *state) elapsed(since, now time.Time) time.Duration {
	return max(0, now.Add(s.skew).Sub(since))
}

// doing says what a resource does, and for how long.
func (s *state) doing(r *resource, now time.Time) string {
	text := r.id + ": " + verb(r.status) + ", " + span(s.elapsed(r.since, now))
	if u := typicalDuration(r.kind, r.status); u != "" {
		text += "; usually " + u
	}
	return text
}

// verb says what a status means.
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
