package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Schema is the version of the events. Removing a key or changing its meaning raises
// it; a new key doesn't.
const Schema = 1

// head begins every event; docs/progress-output.schema.json describes the fields.
type head struct {
	Schema int       `json:"schema"`
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
}

type stepLine struct {
	head
	Text string `json:"text"`
}

type resourceLine struct {
	head
	item
}

type waitingLine struct {
	head
	Text string `json:"text,omitempty"`
	For  []item `json:"for,omitempty"`
}

type resultLine struct {
	head
	Result
}

type failureLine struct {
	head
	Failure
}

// item is a resource.
type item struct {
	LogicalID    string    `json:"logicalId"`
	ResourceType string    `json:"resourceType"`
	Part         string    `json:"part,omitempty"`
	PhysicalID   string    `json:"physicalId,omitempty"`
	Status       string    `json:"status"`
	Reason       string    `json:"reason,omitempty"`
	Since        time.Time `json:"since,omitzero"`
	Usual        string    `json:"usual,omitempty"`
}

// Result is a command's result.
type Result struct {
	// Verb is the command.
	Verb string `json:"verb"`
	// ExitCode is 0, or 8 if something was left behind.
	ExitCode int `json:"exitCode"`
	// Result is the value that --output json prints for other formats.
	Result any `json:"result"`
}

// Failure is a command's failure.
type Failure struct {
	Verb     string  `json:"verb"`
	ExitCode int     `json:"exitCode"`
	Message  string  `json:"message"`
	Hint     string  `json:"hint,omitempty"`
	Causes   []Cause `json:"causes,omitempty"`
	// Result is the command's result if it has one despite the failure.
	Result any `json:"result,omitempty"`
}

// Cause is a resource that failed first, not because another one failed.
type Cause struct {
	Time         time.Time `json:"time,omitzero"`
	LogicalID    string    `json:"logicalId"`
	ResourceType string    `json:"resourceType"`
	PhysicalID   string    `json:"physicalId,omitempty"`
	Status       string    `json:"status"`
	Reason       string    `json:"reason"`
	// Hint is advice; may be empty.
	Hint string `json:"hint,omitempty"`
	// Log has the last lines of the function behind a custom resource.
	Log []string `json:"log,omitempty"`
}

// Causes returns the causes of a failed operation.
func Causes(events []stack.Event) []Cause {
	var out []Cause
	for _, e := range events {
		out = append(out, Cause{Time: e.Time, LogicalID: e.LogicalID, ResourceType: e.Type, PhysicalID: e.PhysicalID, Status: e.Status, Reason: e.Reason,
			Hint: stack.HintFor(e.Reason), Log: e.Log})
	}
	return out
}

// ndjson writes one JSON object per event. After a failed write it writes nothing; the
// last call returns the error.
type ndjson struct {
	out io.Writer
	err error
}

func (n *ndjson) write(line any) {
	if n.err != nil {
		return
	}
	encoder := json.NewEncoder(n.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		n.err = fmt.Errorf("write events: %w", err)
	}
}

func begin(kind string, at time.Time) head { return head{Schema: Schema, Type: kind, Time: at.UTC()} }

func (n *ndjson) event(_ *state, e stack.Event) {
	h := begin(string(e.Kind), e.Time)
	switch e.Kind {
	case stack.KindStep:
		n.write(stepLine{h, e.Text})
	case stack.KindWaiting:
		n.write(waitingLine{head: h, Text: e.Text})
	case stack.KindResource:
		i := item{LogicalID: e.LogicalID, ResourceType: e.Type, PhysicalID: e.PhysicalID, Status: e.Status, Reason: e.Reason}
		if e.Type != stackType {
			i.Part = partOf(e.LogicalID, e.Type).String()
		}
		n.write(resourceLine{h, i})
	}
}

func (n *ndjson) waiting(s *state, now time.Time) {
	l := waitingLine{head: begin(string(stack.KindWaiting), now), Text: s.waitingFor}
	for _, r := range s.active() {
		l.For = append(l.For, item{LogicalID: r.id, ResourceType: r.kind, Part: partOf(r.id, r.kind).String(), Status: r.status, Since: r.since.UTC(), Usual: typicalDuration(r.kind, r.status)})
	}
	n.write(l)
}

func (n *ndjson) result(now time.Time, r Result) error {
	n.write(resultLine{begin("result", now), r})
	return n.err
}

func (n *ndjson) failure(now time.Time, f Failure) error {
	n.write(failureLine{begin("error", now), f})
	return n.err
}

func (n *ndjson) note(*state, string)     {}
func (n *ndjson) tick(*state, time.Time)  {}
func (n *ndjson) pause(*state, time.Time) {}
func (n *ndjson) end(*state, time.Time)   {}
