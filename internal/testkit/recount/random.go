package recount

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
)

// Types are the event types of RandomQuestion.
var Types = []string{"view", "click", "Order Completed", "cart"}

// Paths are the properties of RandomQuestion. Declared of them are in RandomProperties too.
var Paths = []string{"country", "amount", `"a b".c`, "vip"}

// RandomProperties returns the properties of an event.
func RandomProperties(r *rand.Rand) string {
	var parts []string
	add := func(name string, values ...string) {
		if v := values[r.IntN(len(values))]; v != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, v))
		}
	}
	add("country", "", `"DE"`, `"US"`, `"F\"R"`, "null", `"5"`, "5", "[1]")
	add("amount", "", "5", "5.0", "50e-1", "12.25", "-3", "0", `"7"`, "1e3", "0.1", "123456789012345678901.5")
	add("a b", "", `{"c":"x"}`, `{"c":true}`, `{"c":{"d":1}}`, `"c"`)
	add("vip", "", "true", "false", `"true"`)
	return "{" + strings.Join(parts, ",") + "}"
}

func pick(r *rand.Rand, values ...string) string { return values[r.IntN(len(values))] }

func randomFilter(r *rand.Rand) string {
	return pick(r,
		"country=DE", "country!=DE", "country", `country="5"`, "country=5", "country in (DE, US)", "amount>5", "amount>=5", "amount<12.25", "amount<=0", "amount=5",
		`"a b".c=x`, `"a b".c`, "vip=true", `vip="true"`, "vip!=true", "missing=1", "missing!=1")
}

func randomSelection(r *rand.Rand) string {
	s := pick(r, "view", "click", `"Order Completed"`, "Order Completed", "cart", "*", "never")
	switch r.IntN(5) {
	case 0:
		return s + "{" + randomFilter(r) + "}"
	case 1:
		return s + "{" + randomFilter(r) + ", " + randomFilter(r) + "}"
	}
	return s
}

// RandomQuestion returns a question of any kind about the range.
func RandomQuestion(r *rand.Rand, from, to, now time.Time) (insight.Question, error) {
	kinds := append(api.Questions(), api.MetricEvents, api.MetricUsers)
	kind := kinds[r.IntN(len(kinds))]
	span := to.Sub(from)
	a := from.Add(time.Duration(r.Int64N(int64(span))))
	b := a.Add(time.Duration(r.Int64N(int64(span)))).Add(time.Hour)
	where := ""
	if r.IntN(3) == 0 {
		where = randomFilter(r)
	}
	switch kind {
	case api.MetricEvents:
		only := ""
		if r.IntN(2) == 0 {
			only = Types[r.IntN(len(Types))]
		}
		return insight.Filtered(kind, randomFilter(r), only, a.Truncate(time.Minute), b.Truncate(time.Minute), 7*time.Hour)
	case api.MetricUsers:
		return insight.Filtered(kind, randomFilter(r), "", a.Truncate(24*time.Hour), b.Truncate(24*time.Hour).AddDate(0, 0, 1), 0)
	case api.QuestionLive:
		return insight.Read(kind, nil, now)
	}
	p := map[string]string{"from": a.Format(time.RFC3339Nano), "to": b.Format(time.RFC3339Nano)}
	set := func(name string, values ...string) {
		if r.IntN(2) == 0 {
			p[name] = values[r.IntN(len(values))]
		}
	}
	if where != "" {
		p["where"] = where
	}
	top := []string{"1", "2", "3", "100"}
	switch kind {
	case api.QuestionFunnel:
		steps := []string{randomSelection(r), randomSelection(r)}
		for len(steps) < insight.MaxSteps && r.IntN(2) == 0 {
			steps = append(steps, randomSelection(r))
		}
		p["steps"] = strings.Join(steps, ", ")
		set("window", "1h", "10m", "5h", "2d")
		set("by", "country", "amount", `"a b".c`)
		set("top", top...)
	case api.QuestionRetention:
		p["start"], p["return"] = randomSelection(r), randomSelection(r)
		set("unit", insight.UnitDay, insight.UnitWeek, insight.UnitMonth)
		set("zone", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/Asuncion")
		set("periods", "1", "3", "20")
	case api.QuestionSessions:
		set("gap", "30m", "10m", "3h", "24h")
		set("top", top...)
	case api.QuestionBreakdown:
		p["event"] = randomSelection(r)
		p["by"] = pick(r, "country", "eventType", "country,eventType", `"a b".c,amount`, "amount", "vip")
		set("property", "amount", "country")
		set("top", top...)
	case api.QuestionPaths:
		p["event"] = randomSelection(r)
		set("direction", "after", "before")
		set("depth", "1", "2", "3")
		set("gap", "30m", "10m", "3h", "24h")
		set("top", top...)
	}
	return insight.Read(kind, p, now)
}
