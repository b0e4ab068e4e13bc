package health

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
)

// Runbook has the information that an operator needs first when an alarm fires. docs/operations.md has the
// rest; a test compares both.
type Runbook struct {
	// Alarm is the logical id in the template; replicas have one alarm each, which ends
	// with a number, and declared alerts have their name in the middle.
	Alarm string
	// Meaning is one sentence.
	Meaning string
	// Command is the first command to run.
	Command string
}

// replicaAlarm is the beginning of the ids of the read replicas' alarms.
const replicaAlarm = "ReplicaLagAlarm"

// alertAlarm is the runbook of the alerts that variables.yaml declares.
const alertAlarm = "AlertAlarm"

// RunbookOf returns the runbook of an alarm, by its logical id.
func RunbookOf(id string) (Runbook, bool) {
	switch {
	case strings.HasPrefix(id, replicaAlarm):
		id = replicaAlarm
	case alert.IsAlarm(id):
		id = alertAlarm
	}
	all := Runbooks()
	i := slices.IndexFunc(all, func(r Runbook) bool { return r.Alarm == id })
	if i < 0 {
		return Runbook{}, false
	}
	return all[i], true
}

// Alarms are the states of a stack's alarms.
type Alarms struct {
	// Unknown is why they could not be read; empty if they were.
	Unknown string `json:"unknown,omitempty"`
	// Total is the number of alarms of the stack.
	Total int `json:"total"`
	// Firing are the alarms in the state ALARM, the newest first.
	Firing []Alarm `json:"firing"`
	// NoData are the logical ids of the alarms in the state INSUFFICIENT_DATA, Missing
	// those of alarms that were deleted outside of the stack, and Off those of alarms
	// whose actions are disabled.
	NoData  []string `json:"noData,omitempty"`
	Missing []string `json:"missing,omitempty"`
	Off     []string `json:"off,omitempty"`

	states map[string]alarmState
}

type alarmState struct {
	firing, below bool
	threshold     float64
}

// Alarm is an alarm that fires.
type Alarm struct {
	// ID is the logical id, Name the name in CloudWatch.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Since   time.Time `json:"since,omitzero"`
	Meaning string    `json:"meaning"`
	// Command is the first command of the runbook.
	Command string `json:"command"`
	// Reason is CloudWatch's: the values that crossed the threshold.
	Reason string `json:"reason,omitempty"`
}

// State is an alarm as CloudWatch reports it.
type State struct {
	// State is OK, ALARM or INSUFFICIENT_DATA.
	State, Reason string
	Since         time.Time
	Threshold     float64
	// Below reports whether the alarm fires below the threshold.
	Below bool
	// Enabled reports whether its actions are.
	Enabled bool
}

// NewAlarms combines the states of alarms. names are the names by logical id, states the
// states by name.
func NewAlarms(names map[string]string, states map[string]State) *Alarms {
	out := &Alarms{Total: len(names), Firing: []Alarm{}, states: map[string]alarmState{}}
	for id, name := range names {
		s, ok := states[name]
		if !ok {
			out.Missing = append(out.Missing, id)
			continue
		}
		out.states[id] = alarmState{firing: s.State == "ALARM", below: s.Below, threshold: s.Threshold}
		if !s.Enabled {
			out.Off = append(out.Off, id)
		}
		switch s.State {
		case "ALARM":
			a := Alarm{ID: id, Name: name, Since: s.Since, Reason: s.Reason, Meaning: "an alarm that this version of streamctl does not know",
				Command: "aws cloudwatch describe-alarms --alarm-names " + name}
			if book, ok := RunbookOf(id); ok {
				a.Meaning, a.Command = book.Meaning, book.Command
			}
			out.Firing = append(out.Firing, a)
		case "OK":
		default:
			out.NoData = append(out.NoData, id)
		}
	}
	slices.SortFunc(out.Firing, func(a, b Alarm) int { return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.ID, b.ID)) })
	for _, list := range [][]string{out.NoData, out.Missing, out.Off} {
		slices.Sort(list)
	}
	return out
}
