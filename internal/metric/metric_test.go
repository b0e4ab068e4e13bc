package metric_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    metric.Definition
		want string // field: beginning
	}{
		{"the least", metric.Definition{Name: "n"}, ""},
		{"the example", metric.Definition{Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}}, ""},
		{"all of one field", metric.Definition{Name: "r", Sum: "properties.a.b", Min: "properties.a.b", Max: "properties.a.b", By: []string{"eventType", "properties.c"}}, ""},
		{"no name", metric.Definition{}, `Name: "": want a small letter`},
		{"a taken name", metric.Definition{Name: "events"}, `Name: "events": is a built-in metric`},
		{"a name with a dot", metric.Definition{Name: "a.b"}, `Name: "a.b": want`},
		{"a wrong type", metric.Definition{Name: "n", EventType: "page\tview"}, `EventType: "page\tview": must not hold control characters`},
		{"a field of the event", metric.Definition{Name: "n", Sum: "amount"}, `Sum: "amount": want a field such as properties.amount`},
		{"a quote in a field", metric.Definition{Name: "n", Sum: `properties.a"b`}, "Sum: "},
		{"two fields", metric.Definition{Name: "n", Sum: "properties.a", Max: "properties.b"}, `Max: "properties.b": Sum, Min and Max of one metric are of one field, properties.a`},
		{"three dimensions", metric.Definition{Name: "n", By: []string{"eventType", "properties.a", "properties.b"}}, "By: 3 fields: want at most 2"},
		{"by user", metric.Definition{Name: "n", By: []string{"userId"}}, `By: "userId": want eventType or`},
		{"twice", metric.Definition{Name: "n", By: []string{"eventType", "eventType"}}, `By: "eventType": given twice`},
	} {
		var got []string
		for _, p := range tt.d.Check() {
			got = append(got, p.Field+": "+p.What)
		}
		if text := strings.Join(got, "\n"); (tt.want == "") != (text == "") || !strings.HasPrefix(text, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.want)
		}
	}
}

func TestKeyFollowsWhatIsCounted(t *testing.T) {
	d := metric.Definition{Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}}
	// Databases contain this key: a change would start another series.
	if key := d.Key(); key != "revenue.082ffa42" {
		t.Errorf("key is %s", key)
	}
	more := d
	more.Max = more.Sum // the same field, kept anyway
	if more.Key() != d.Key() {
		t.Error("another answer from the same series made another series")
	}
	for name, other := range map[string]metric.Definition{
		"type":  {Name: "revenue", EventType: "refund", Sum: d.Sum, By: d.By},
		"field": {Name: "revenue", EventType: "purchase", Sum: "properties.total", By: d.By},
		"by":    {Name: "revenue", EventType: "purchase", Sum: d.Sum},
	} {
		if other.Key() == d.Key() {
			t.Errorf("another %s is the same series", name)
		}
	}
}

func TestEncodeDecode(t *testing.T) {
	for _, want := range [][]metric.Definition{nil, {{Name: "a"}, {Name: "b", EventType: "x", Sum: "properties.a", By: []string{"eventType"}}}} {
		text, err := metric.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := metric.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if _, err := metric.Decode(`[{"name":"a","color":"red"}]`); err == nil {
		t.Error("took a field that isn't known")
	}
}

func TestOf(t *testing.T) {
	const properties = `{"amount":12.50,"country":"DE","n":-3,"ok":true,"nothing":null,"list":[1,{"amount":9}],"cart":{"total":7e2,"it\u0065ms":2},"text":"a\"}b","amount2":"5"}`
	revenue := func(field string, by ...string) metric.Definition {
		return metric.Definition{Name: "m", EventType: "purchase", Sum: field, By: by}
	}
	for _, tt := range []struct {
		name             string
		d                metric.Definition
		value, dimension string
		skipped          bool
	}{
		{"count", metric.Definition{Name: "m"}, "", "", false},
		{"sum", revenue("properties.amount"), "12.50", "", false},
		{"negative", revenue("properties.n"), "-3", "", false},
		{"below", revenue("properties.cart.total"), "7e2", "", false},
		{"a name written with an escape", revenue("properties.cart.items"), "2", "", false},
		{"missing", revenue("properties.price"), "", "", true},
		{"missing below", revenue("properties.cart.price"), "", "", true},
		{"below a number", revenue("properties.amount.cents"), "", "", true},
		{"text", revenue("properties.amount2"), "", "", true},
		{"null", revenue("properties.nothing"), "", "", true},
		{"a list", revenue("properties.list"), "", "", true},
		{"by country", revenue("properties.amount", "properties.country"), "12.50", "DE", false},
		{"by a number", revenue("properties.amount", "properties.n"), "12.50", "-3", false},
		{"by a number with an exponent", revenue("properties.amount", "properties.cart.total"), "12.50", "700", false},
		{"by a number with needless digits", revenue("properties.n", "properties.amount"), "-3", "12.5", false},
		{"by a truth value", revenue("properties.amount", "properties.ok"), "12.50", "true", false},
		{"by text with quotes", revenue("properties.amount", "properties.text"), "12.50", `a"}b`, false},
		{"by what isn't there", revenue("properties.amount", "properties.city"), "12.50", "", false},
		{"by an object", revenue("properties.amount", "properties.cart"), "12.50", "", false},
		{"by two", revenue("properties.amount", "eventType", "properties.country"), "12.50", `["purchase","DE"]`, false},
	} {
		m, ok := tt.d.Of(tt.d.Key(), &event.Event{Type: "purchase", Properties: jsontext.Value(properties)})
		want := metric.Contribution{Key: tt.d.Key(), Dimension: tt.dimension, Value: tt.value}
		if tt.skipped {
			want = metric.Contribution{Key: tt.d.Key() + ".skipped"}
		}
		if !ok || m != want {
			t.Errorf("%s: got %+v, want %+v", tt.name, m, want)
		}
	}
	if _, ok := revenue("properties.amount").Of("k", &event.Event{Type: "view", Properties: jsontext.Value(properties)}); ok {
		t.Error("counted an event of another type")
	}
}

func TestValues(t *testing.T) {
	for _, values := range [][]string{{"a"}, {""}, {"a", "b"}, {`"`, `]`}, {"", ""}} {
		if got := metric.Values(metric.Dimension(values...), len(values)); !cmp.Equal(got, values) {
			t.Errorf("%q became %q", values, got)
		}
	}
	if got := metric.Values("__other__", 2); !cmp.Equal(got, []string{"__other__", "__other__"}) {
		t.Errorf("the rest is %q", got)
	}
}

// FuzzOf looks fields up in any event that is accepted, as encoding/json does.
func FuzzOf(f *testing.F) {
	f.Add(`{"a":{"b":1.5},"c":"x"}`, "a", "b")
	f.Add(`{"a":[{"b":1}],"b":"}","a\"":{"b":2}}`, "b", "")
	f.Add(`{"":{"":0}}`, "", "")
	f.Fuzz(func(t *testing.T, properties, first, second string) {
		e, errs := event.Decode([]byte(`{"userId":"u","eventType":"x","properties":` + properties + `}`))
		path := "properties." + first
		if second != "" {
			path += "." + second
		}
		d := metric.Definition{Name: "m", Sum: path}
		if len(errs) > 0 || len(d.Check()) > 0 {
			return // no event, or no path
		}
		var tree any
		decoder := json.NewDecoder(strings.NewReader(string(e.Properties)))
		decoder.UseNumber()
		if err := decoder.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Split(path, ".")[1:] {
			object, _ := tree.(map[string]any)
			tree = object[name]
		}
		want := ""
		if n, ok := tree.(json.Number); ok {
			want = n.String()
		}
		m, ok := d.Of(d.Key(), &e)
		if !ok || m.Value != want {
			t.Errorf("%s of %s: got %q, want %q", path, e.Properties, m.Value, want)
		}
	})
}
