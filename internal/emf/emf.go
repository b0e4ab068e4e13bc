// Package emf writes metrics as log lines in CloudWatch's embedded metric
// format: CloudWatch makes metrics of them, and a function needs no call and
// no right to publish.
package emf

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// Count, Milliseconds and Percent are CloudWatch's names of units.
const (
	Count        = "Count"
	Milliseconds = "Milliseconds"
	Percent      = "Percent"
)

// Metric is one value. An empty Unit is Count.
type Metric struct {
	Name  string
	Value float64
	Unit  string
}

// Writer writes the metrics of one stack. It may be used concurrently.
type Writer struct {
	// Out is the function's standard output, which Lambda sends to the log.
	Out io.Writer
	// Stack is the value of the one dimension.
	Stack string
	// Now gives the time of a line.
	Now func() time.Time

	mu sync.Mutex
}

// Emit writes one line for all the metrics; none writes nothing.
func (w *Writer) Emit(metrics ...Metric) error {
	if len(metrics) == 0 {
		return nil
	}
	type definition struct {
		Name string `json:"Name"`
		Unit string `json:"Unit"`
	}
	type directive struct {
		Namespace  string       `json:"Namespace"`
		Dimensions [][]string   `json:"Dimensions"`
		Metrics    []definition `json:"Metrics"`
	}
	type metadata struct {
		Timestamp int64       `json:"Timestamp"`
		Metrics   []directive `json:"CloudWatchMetrics"`
	}
	line := map[string]any{contract.DimensionStack: w.Stack}
	d := directive{Namespace: contract.MetricNamespace, Dimensions: [][]string{{contract.DimensionStack}}}
	for _, m := range metrics {
		unit := m.Unit
		if unit == "" {
			unit = Count
		}
		d.Metrics = append(d.Metrics, definition{Name: m.Name, Unit: unit})
		line[m.Name] = m.Value
	}
	line["_aws"] = metadata{Timestamp: w.Now().UnixMilli(), Metrics: []directive{d}}
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode metrics: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.Out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
