package query_test

import (
	"strings"
	"testing"
	"time"
)

func TestETag(t *testing.T) {
	h, w, _ := fakes(t, "view")
	first := get(t, h, "events", nil)
	tag := first.Headers["ETag"]
	if first.StatusCode != 200 || len(tag) != 24 || !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) {
		t.Fatalf("%d, %v", first.StatusCode, first.Headers)
	}
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		resp := get(t, h, "events", nil, "if-none-match", header)
		if resp.StatusCode != 304 || resp.Body != "" || resp.Headers["ETag"] != tag || resp.Headers["Cache-Control"] != "private, max-age=5" || resp.Headers["Content-Type"] != "" {
			t.Errorf("%s: %+v", header, resp)
		}
	}
	h.Clock.Time = func() time.Time { return now.Add(20 * time.Second) } // still the same minute
	if resp := get(t, h, "events", nil, "If-None-Match", tag); resp.StatusCode != 304 {
		t.Errorf("20 seconds later: %s, before %s", resp.Body, first.Body)
	}
	w.types = []string{"click"}
	for _, header := range []string{tag, "", `"x"`} {
		resp := get(t, h, "events", nil, "If-None-Match", header)
		if resp.StatusCode != 200 || resp.Headers["ETag"] == tag || !strings.Contains(resp.Body, "click") {
			t.Errorf("%q when it has changed: %+v", header, resp)
		}
	}
	if resp := get(t, h, "events", map[string]string{"from": "x"}, "If-None-Match", "*"); resp.StatusCode != 400 || resp.Headers["ETag"] != "" {
		t.Errorf("a refusal: %+v", resp)
	}
}

func TestCacheControl(t *testing.T) {
	at := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	day := func(days int) string { return now.AddDate(0, 0, -days).Format(time.DateOnly) }
	type p = map[string]string
	for name, c := range map[string]struct {
		metric     string
		parameters p
		want       string
	}{
		"summary":             {"summary", nil, "private, max-age=5"},
		"this hour":           {"events", nil, "private, max-age=5"},
		"ended 47 hours ago":  {"events", p{"from": at(60 * time.Hour), "to": at(47 * time.Hour)}, "private, max-age=5"},
		"ended 49 hours ago":  {"events", p{"from": at(60 * time.Hour), "to": at(49 * time.Hour)}, "private, max-age=3600"},
		"the first of pages":  {"events", p{"from": at(90 * time.Hour), "to": at(0)}, "private, max-age=3600"},
		"a declared metric":   {"revenue", p{"from": at(60 * time.Hour), "to": at(49 * time.Hour)}, "private, max-age=3600"},
		"today's users":       {"users", nil, "private, max-age=5"},
		"users long ago":      {"users", p{"from": day(9), "to": day(3)}, "private, max-age=3600"},
		"users up to lately":  {"users", p{"from": day(9), "to": day(2)}, "private, max-age=5"},
		"users of the future": {"users", p{"to": day(-3)}, "private, max-age=5"},
	} {
		h, _, _ := fakes(t, "view")
		resp := get(t, h, c.metric, c.parameters)
		if resp.StatusCode != 200 || resp.Headers["Cache-Control"] != c.want {
			t.Errorf("%s: %v, want %s", name, resp.Headers, c.want)
		}
		if settled := strings.Contains(c.want, "3600"); settled == strings.Contains(resp.Body, `"asOf"`) {
			t.Errorf("%s: %.300s", name, resp.Body)
		}
		h.Clock.Time = func() time.Time { return now.Add(25 * time.Minute) }
		if again := get(t, h, c.metric, c.parameters); strings.Contains(c.want, "3600") && again.Headers["ETag"] != resp.Headers["ETag"] {
			t.Errorf("%s: 25 minutes later it is %.300s\nand was %.300s", name, again.Body, resp.Body)
		}
	}
	h, w, c := fakes(t, "view")
	w.down, c.asOf = true, now.Add(-4*time.Minute)
	if resp := get(t, h, "events", nil); resp.StatusCode != 200 || resp.Headers["Cache-Control"] != "no-store" || !strings.Contains(resp.Body, `"stale":true`) {
		t.Errorf("a stale answer: %+v", resp)
	}
}
