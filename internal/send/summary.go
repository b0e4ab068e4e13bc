package send

import (
	"slices"
	"time"
)

// Summary is the result of a run.
type Summary struct {
	// Lines is the number of lines read, blank ones included; 0 for input without
	// lines.
	Lines int `json:"lines,omitempty"`
	// Read is the number of events in the input: accepted, rejected and unsent.
	Read     int `json:"read"`
	Accepted int `json:"accepted"`
	// Refused is the number of events that can never be accepted as they are.
	Refused int `json:"refused"`
	// Unsent is the number of events that were not sent, or got no response within
	// RetryFor. They may have been stored; resending them as they were kept duplicates
	// nothing.
	Unsent int `json:"unsent"`
	// Minted is the number of events that had no id or no timestamp and got one.
	Minted   int `json:"minted,omitempty"`
	Requests int `json:"requests"`
	Retries  int `json:"retries"`
	// Interrupted reports whether the run was interrupted.
	Interrupted bool `json:"interrupted"`
	// ResumeLine is the first line of the input that was neither sent nor kept; 0 if
	// all were.
	ResumeLine int `json:"resumeLine,omitempty"`

	Began   time.Time `json:"-"`
	Seconds float64   `json:"seconds"`
	// Rate is accepted events per second.
	Rate float64 `json:"eventsPerSecond"`
	// Latency is the time from a request to its response.
	Latency Percentiles `json:"requestLatency"`
	// Reasons counts the rejected events by reason.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Examples are the rejected events with the lowest numbers, at most 20.
	Examples []Refusal `json:"examples,omitempty"`
	// LastTrouble is the reason of the last retry.
	LastTrouble string `json:"lastTrouble,omitempty"`
}

// Refusal is a rejected event of the input.
type Refusal struct {
	// Line is the line, from 1; 0 for an event that was not read from a file.
	Line int `json:"line"`
	// Number is the position in the input, from 1.
	Number int    `json:"number"`
	Reason string `json:"reason"`
}

// Percentiles of durations, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50Milliseconds"`
	P95 float64 `json:"p95Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
}

const (
	maxExamples = 20
	// maxReasons bounds the number of distinct reasons: some contain a part of the
	// event.
	maxReasons = 50
)

func (s *Summary) refuse(r Refusal) {
	reason := r.Reason
	s.Refused++
	if s.Reasons == nil {
		s.Reasons = map[string]int{}
	}
	if _, known := s.Reasons[reason]; !known && len(s.Reasons) >= maxReasons {
		reason = "others"
	}
	s.Reasons[reason]++
	at, _ := slices.BinarySearchFunc(s.Examples, r, func(x, y Refusal) int { return x.Number - y.Number })
	s.Examples = slices.Insert(s.Examples, at, r)
	s.Examples = s.Examples[:min(len(s.Examples), maxExamples)]
}

func (s *Summary) finish(now time.Time, took []time.Duration) {
	s.Read = s.Accepted + s.Refused + s.Unsent
	s.Seconds = now.Sub(s.Began).Seconds()
	s.Rate = float64(s.Accepted) / max(s.Seconds, 0.001)
	s.Latency = PercentilesOf(took)
}

// PercentilesOf sorts the durations and returns their percentiles; zeros if d is empty.
func PercentilesOf(d []time.Duration) Percentiles {
	if len(d) == 0 {
		return Percentiles{}
	}
	slices.Sort(d)
	at := func(percent int) float64 {
		i := min((len(d)*percent+99)/100, len(d)) - 1 // nearest rank
		return float64(d[max(i, 0)].Microseconds()) / 1000
	}
	return Percentiles{P50: at(50), P95: at(95), P99: at(99)}
}
