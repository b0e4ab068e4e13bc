package main

import (
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/segment"
)

// TestSite decodes the messages of the demo's website, whose visitors log in to buy.
func TestSite(t *testing.T) {
	s, err := newSite("", "")
	if err != nil {
		t.Fatal(err)
	}
	types, links := map[string]int{}, 0
	for range 200 {
		body, err := s.batch()
		if err != nil {
			t.Fatal(err)
		}
		r, err := segment.Parse(body, "")
		if err != nil || r.Messages() < pageMessages {
			t.Fatal(r, err)
		}
		for i := range r.Messages() {
			m, wrong := r.Event(i, segment.Receipt{At: time.Now()})
			if len(wrong) > 0 || m.Skew != 0 {
				t.Fatal(wrong, m.Skew)
			}
			types[m.Event.Type]++
			links += len(m.Links)
		}
	}
	if types["page"] < 100 || types["click"] == 0 || types["Order Completed"] == 0 || types["identify"] != types["Order Completed"] || links != 2*types["identify"] {
		t.Errorf("%v, %d links", types, links)
	}
}
