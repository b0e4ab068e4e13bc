package send

import (
	"slices"
	"time"
)

// Summary is what became of a run.
type Summary struct {
	// Read is how many events the input had, bad ones not counted.
	Read     int `json:"read"`
	Accepted int `json:"accepted"`
	// Refused can never be accepted as they are.
	Refused int `json:"refused"`
	// Unsent got no answer in the time for tries; they may have been stored, and
	// may be sent again as they were kept.
	Unsent   int `json:"unsent"`
	Requests int `json:"requests"`
	Retries  int `json:"retries"`
	// Interrupted says that the input wasn't read to its end.
	Interrupted bool `json:"interrupted"`

	Began   time.Time `json:"-"`
	Seconds float64   `json:"seconds"`
	// Rate is accepted events a second.
	Rate float64 `json:"eventsPerSecond"`
	// Latency is that of answered requests.
	Latency Percentiles `json:"requestLatency"`
	// Reasons count the refused events by what is wrong with them.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Examples are the first refused lines of the input, with their reasons.
	Examples []Refusal `json:"examples,omitempty"`
	// LastTrouble is why requests were tried again, the last of them.
	LastTrouble string `json:"lastTrouble,omitempty"`
}

// Refusal is a refused event of the input.
type Refusal struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Percentiles of durations, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50Milliseconds"`
	P95 float64 `json:"p95Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
}

const (
	maxExamples = 10
	// maxReasons bounds how many different ones are told apart: some name what
	// was sent.
	maxReasons = 50
)

func (s *Summary) refuse(line int, reason string) {
	s.Refused++
	if s.Reasons == nil {
		s.Reasons = map[string]int{}
	}
	if _, known := s.Reasons[reason]; !known && len(s.Reasons) >= maxReasons {
		reason = "others"
	}
	s.Reasons[reason]++
	if len(s.Examples) < maxExamples {
		s.Examples = append(s.Examples, Refusal{line, reason})
	}
}

func (s *Summary) finish(now time.Time, took []time.Duration) {
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
