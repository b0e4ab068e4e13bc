package send

import (
	"slices"
	"time"
)

// Summary is what became of a run.
type Summary struct {
	// Lines is how many lines of the input were read, blank ones included; 0 if it
	// has none.
	Lines int `json:"lines,omitempty"`
	// Read is how many events the input had: accepted, rejected and unsent ones.
	Read     int `json:"read"`
	Accepted int `json:"accepted"`
	// Refused can never be accepted as they are.
	Refused int `json:"refused"`
	// Unsent were not sent, or got no answer in the time for tries. They may have
	// been stored, and can be sent again as they were kept.
	Unsent int `json:"unsent"`
	// Minted is how many events came without an id or a timestamp and got one.
	Minted   int `json:"minted,omitempty"`
	Requests int `json:"requests"`
	Retries  int `json:"retries"`
	// Interrupted reports whether the run was interrupted.
	Interrupted bool `json:"interrupted"`
	// ResumeLine is the first line of the input that was neither sent nor kept; 0
	// if there is none.
	ResumeLine int `json:"resumeLine,omitempty"`

	Began   time.Time `json:"-"`
	Seconds float64   `json:"seconds"`
	// Rate is accepted events a second.
	Rate float64 `json:"eventsPerSecond"`
	// Latency is that of answered requests.
	Latency Percentiles `json:"requestLatency"`
	// Reasons count the refused events by what is wrong with them.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Examples are the rejected events with the lowest numbers, at most 20.
	Examples []Refusal `json:"examples,omitempty"`
	// LastTrouble is why requests were tried again, the last of them.
	LastTrouble string `json:"lastTrouble,omitempty"`
}

// Refusal is a refused event of the input.
type Refusal struct {
	// Line is counted from 1; 0 for an event that was not read from a file.
	Line int `json:"line"`
	// Number counts the events of the input from 1.
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
	// maxReasons bounds how many different ones are told apart: some name what
	// was sent.
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

// PercentilesOf sorts the durations and gives their percentiles; zeros for none.
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
