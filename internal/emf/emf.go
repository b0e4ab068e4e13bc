// Package emf writes metrics as log lines in CloudWatch's embedded metric
// format. CloudWatch turns them into metrics, so a function needs neither calls
// nor permissions to publish them.
package emf

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// Count, Milliseconds and Percent are CloudWatch units.
const (
	Count        = "Count"
	Milliseconds = "Milliseconds"
	Percent      = "Percent"
)

// Metric is one value. An empty Unit means Count.
type Metric struct {
	Name  string
	Value float64
	Unit  string
}

// Emitter publishes the metrics of a function. It logs its own failures: no
// invocation fails because a metric was lost. An Emitter must be safe for
// concurrent use.
type Emitter interface {
	Emit(ctx context.Context, metrics ...Metric)
}

// Writer is the Emitter of a deployed function.
type Writer struct {
	// Out is the function's standard output, which Lambda sends to the log.
	Out io.Writer
	// Stack is the value of the only dimension.
	Stack string
	// Log receives failures; nil drops them.
	Log *slog.Logger

	mu sync.Mutex
}

// Emit writes one line for all metrics, with the current time. Without metrics
// it writes nothing.
func (w *Writer) Emit(ctx context.Context, metrics ...Metric) {
	if len(metrics) == 0 {
		return
	}
	line, err := w.line(metrics)
	if err == nil {
		w.mu.Lock()
		_, err = w.Out.Write(append(line, '\n'))
		w.mu.Unlock()
	}
	if err != nil && w.Log != nil {
		w.Log.ErrorContext(ctx, "could not write metrics", "err", err)
	}
}

func (w *Writer) line(metrics []Metric) ([]byte, error) {
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
	line["_aws"] = metadata{Timestamp: time.Now().UnixMilli(), Metrics: []directive{d}}
	return json.Marshal(line)
}
