package ingest

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
)

func TestAnswerIsWrittenAsItIsDeclared(t *testing.T) {
	kept := accepted(0, event.Event{ID: [16]byte{0xab, 15: 1}})
	lost := accepted(2, event.Event{})
	lost.unavailable()
	for _, a := range []Answer{
		{Results: []Result{}},
		{Accepted: 1, Results: []Result{kept}},
		{Accepted: 1, Refused: 1, Unavailable: 1, Results: []Result{kept, refused(1, []event.FieldError{{Field: "userId", Detail: `is "x"`}}), lost}},
	} {
		want, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.appendJSON(nil); err != nil || string(got) != string(want) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}
