// Package analyze is the place for your own analytics in Go.
package analyze

import (
	"fmt"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// Measure is a value that Analyze computes from an event.
type Measure struct {
	// Name is the metric's name: a small letter, then small letters, digits and
	// underscores, at most 40 characters.
	Name string
	// By is the dimension value; a metric has at most 100, others are counted
	// as __other__. Leave it empty for a metric without a dimension.
	By string
	// Value is a decimal number such as 12.50. The rollups hold its sum, minimum
	// and maximum per minute. If it is empty, only the count increases.
	Value string
}

// Analyze is the place for your own analytics in Go. It receives every loaded
// event, and its measures are added to the rollups in the same transaction:
// exactly once per event, whatever fails. Query the metric at /metrics/{name}.
//
// Analyze must be pure: the same event must always give the same measures. It
// must not use a clock, the network, or state from other events, because
// rollups can be recounted from the events and must then be the same. Metrics
// that can be declared in variables.yaml (Metrics) need no code.
//
// For example, checkouts by the value of the cart:
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

// Measures returns the measures of Analyze in the warehouse's form. A measure
// with an invalid name or value is a bug in Analyze and returns an error: the
// event is quarantined, and the first one triggers the alarm.
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
			return nil, fmt.Errorf("Analyze: metric %s: %q is not a decimal number", m.Name, m.Value)
		}
		out[i] = metric.Contribution{Key: m.Name, Dimension: m.By, Value: m.Value}
	}
	return out, nil
}
