package processor

import (
	"fmt"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// Measure is what Analyze makes of an event.
type Measure struct {
	// Name is the metric's: a small letter, then small letters, digits and
	// underscores, at most 40 characters.
	Name string
	// By tells values apart; a metric has at most 100, the rest is __other__.
	// Empty for a metric that has one value.
	By string
	// Value is a decimal number such as 12.50, added up by minute, with the
	// smallest and the largest; empty only counts.
	Value string
}

// Analyze is the place for your own analytics in Go. It is given every event
// that is loaded, and what it returns is added to the rollups in the same
// transaction: once for each event, whatever breaks. Ask for a metric at
// /metrics/{name}.
//
// It has to be pure: the same event gives the same measures, always. So no
// clock, no network, no state from one event to the next; rollups are counted
// again from the events, and have to come to the same. What can be said in
// variables.yaml (Metrics) needs no code.
//
// For example, checkouts by what the cart was worth:
//
//	func Analyze(e event.Event) []Measure {
//		if e.Type != "checkout" {
//			return nil
//		}
//		var cart struct{ Items []struct{ Price float64 } }
//		if err := json.Unmarshal(e.Properties, &cart); err != nil {
//			return nil
//		}
//		total := 0.0
//		for _, item := range cart.Items {
//			total += item.Price
//		}
//		size := "small"
//		if total >= 100 {
//			size = "large"
//		}
//		return []Measure{{Name: "checkouts", By: size, Value: strconv.FormatFloat(total, 'f', 2, 64)}}
//	}
func Analyze(event.Event) []Measure { return nil }

// Measures are what Analyze makes of an event, as the warehouse takes it. A
// measure with a wrong name or value is a bug in Analyze: an error, for which
// the event is set aside and the alarm rings at the first.
func Measures(e event.Event) ([]metric.Contribution, error) { return measures(Analyze(e)) }

func measures(list []Measure) ([]metric.Contribution, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]metric.Contribution, len(list))
	for i, m := range list {
		if err := metric.CheckName(m.Name); err != nil {
			return nil, fmt.Errorf("Analyze: metric %q: %w", m.Name, err)
		}
		if !metric.IsNumber(m.Value) && m.Value != "" {
			return nil, fmt.Errorf("Analyze: metric %s: %q is no decimal number", m.Name, m.Value)
		}
		out[i] = metric.Contribution{Key: m.Name, Dimension: m.By, Value: m.Value}
	}
	return out, nil
}
