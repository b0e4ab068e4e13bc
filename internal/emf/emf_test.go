package emf_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/emf"
)

func TestEmit(t *testing.T) {
	var out bytes.Buffer
	w := emf.Writer{Out: &out, Stack: "s", Now: func() time.Time { return time.UnixMilli(1700000000123) }}
	if err := w.Emit(); err != nil || out.Len() > 0 {
		t.Fatalf("no metrics wrote %q, %v", out.String(), err)
	}
	if err := w.Emit(emf.Metric{Name: "EventsAccepted", Value: 3}, emf.Metric{Name: "Lag", Value: 1.5, Unit: emf.Milliseconds}); err != nil {
		t.Fatal(err)
	}
	want := `{"EventsAccepted":3,"Lag":1.5,"Stack":"s","_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"Streamctl",` +
		`"Dimensions":[["Stack"]],"Metrics":[{"Name":"EventsAccepted","Unit":"Count"},{"Name":"Lag","Unit":"Milliseconds"}]}]}}` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}
