package emf_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/streamctl/streamctl/internal/emf"
)

func TestEmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock starts at 2000-01-01T00:00:00Z
		var out bytes.Buffer
		w := emf.Writer{Out: &out, Stack: "s"}
		if w.Emit(t.Context()); out.Len() > 0 {
			t.Fatalf("without metrics it wrote %q", out.String())
		}
		w.Emit(t.Context(), emf.Metric{Name: "EventsAccepted", Value: 3}, emf.Metric{Name: "Lag", Value: 1.5, Unit: emf.Milliseconds})
		want := `{"EventsAccepted":3,"Lag":1.5,"Stack":"s","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[{"Namespace":"Streamctl",` +
			`"Dimensions":[["Stack"]],"Metrics":[{"Name":"EventsAccepted","Unit":"Count"},{"Name":"Lag","Unit":"Milliseconds"}]}]}}` + "\n"
		if out.String() != want {
			t.Errorf("got  %swant %s", out.String(), want)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestEmitLogsItsFailures(t *testing.T) {
	for want, m := range map[string]emf.Metric{"no space left": {Name: "Lag", Value: 1}, "NaN": {Name: "Lag", Value: math.NaN()}} {
		var log bytes.Buffer
		w := emf.Writer{Out: full{}, Stack: "s", Log: slog.New(slog.NewTextHandler(&log, nil))}
		w.Emit(t.Context(), m)
		if !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("logged %q, want %q", log.String(), want)
		}
	}
}
