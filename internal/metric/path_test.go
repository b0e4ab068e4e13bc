package metric_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

func TestPropertiesWithDotsAndSpacesCanBeDeclared(t *testing.T) {
	const properties = `{"order.total":1,"order":{"total":2,"a.b":{"c d":3}},"net price":4,"say \"hi\"":5,"a\\b":6,"größe":7,"":8,"😀":9,"tab\there":10,"eventType":11}`
	for path, want := range map[string]string{
		`properties."order.total"`:         "1",
		`properties.order.total`:           "2",
		`properties."order".total`:         "2",
		`properties."order"."total"`:       "2",
		`properties.order."a.b"."c d"`:     "3",
		`properties."net price"`:           "4",
		`properties."say \"hi\""`:          "5",
		`properties."a\\b"`:                "6",
		`properties.größe`:                 "7",
		`properties."gr\u00f6\u00dfe"`:     "7",
		`properties.""`:                    "8",
		`properties.😀`:                     "9",
		`properties."tab\there"`:           "10",
		`properties."eventType"`:           "11",
		`properties."order.total".nothing`: "",
	} {
		d := metric.Definition{Name: "m", Sum: path, By: []string{path}}
		if problems := d.Check(); len(problems) > 0 {
			t.Errorf("%s: %v", path, problems)
			continue
		}
		text, err := metric.Encode([]metric.Definition{d})
		if err != nil {
			t.Fatal(err)
		}
		again, err := metric.Decode(text)
		if err != nil || len(again) != 1 || again[0].Sum != path || again[0].Key() != d.Key() {
			t.Errorf("%s: became %+v, %v", path, again, err)
			continue
		}
		m, ok := again[0].Of(d.Key(), &event.Event{Type: "x", Properties: jsontext.Value(properties)})
		if !ok || m.Value != want || m.Dimension != want {
			t.Errorf("%s: %+v, want %s", path, m, want)
		}
	}
}

func TestInvalidPathsExplainTheSyntax(t *testing.T) {
	for path, want := range map[string]string{
		"amount":               "want a field such as properties.amount",
		"properties":           "want a field such as properties.amount",
		"properties.":          "a name is missing between dots",
		"properties.a..b":      "a name is missing between dots",
		"properties.a.":        "a name is missing between dots",
		"properties.net price": `net price: put a name with white space, quotes or dots in double quotes, such as properties."order total"`,
		`properties.a"b`:       `put a name with white space, quotes or dots in double quotes`,
		`properties.a\b`:       `put a name with white space, quotes or dots in double quotes`,
		`properties."a`:        "the quote before a is not closed",
		`properties."a"b`:      "want a dot before b",
		`propertiesx.a`:        "want a dot before x.a",
		`properties."a\x"`:     `"a\x" is not a JSON string`,
		"properties.\"a\nb\"":  "is not a JSON string",
		`properties."\u0000"`:  "without NUL",
		`properties."\ud800"`:  "is not a JSON string",
		"properties." + strings.Repeat("ü", 101):         "at most 100 characters",
		"properties" + strings.Repeat(".a", 9):           "has 9 names below properties; want at most 8",
		`properties."` + strings.Repeat("a b", 34) + `"`: "at most 100 characters",
	} {
		for _, d := range []metric.Definition{{Name: "m", Sum: path}, {Name: "m", Min: path}, {Name: "m", By: []string{path}}} {
			problems := d.Check()
			want := want
			if len(d.By) > 0 && !strings.HasPrefix(path, "properties") {
				want = "want eventType or a field"
			}
			if len(problems) != 1 || !strings.Contains(problems[0].What, want) {
				t.Errorf("%s: %q, want %s", path, problems, want)
			}
		}
	}
}

// TestKeysOfSeriesStay: a definition of an earlier release keeps its series,
// and two spellings of one path are one series.
func TestKeysOfSeriesStay(t *testing.T) {
	for want, d := range map[string]metric.Definition{
		"revenue.082ffa42":   {Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}},
		"purchases.a32ba395": {Name: "purchases", EventType: "purchase"},
	} {
		if got := d.Key(); got != want {
			t.Errorf("the key of %+v is %s, want %s", d, got, want)
		}
	}
	plain := metric.Definition{Name: "m", Sum: "properties.a.b", By: []string{"eventType", "properties.c"}}
	quoted := metric.Definition{Name: "m", Sum: `properties."a"."\u0062"`, By: []string{"eventType", `properties."c"`}}
	if plain.Key() != quoted.Key() {
		t.Errorf("%s and %s", plain.Key(), quoted.Key())
	}
	twice := metric.Definition{Name: "m", Sum: "properties.a", Min: `properties."a"`, By: []string{"properties.b", `properties."b"`}}
	if problems := twice.Check(); len(problems) != 1 || problems[0].Field != "By" {
		t.Errorf("%v", problems)
	}
}

// FuzzPath looks up arbitrary names in arbitrary properties with a quoted path.
func FuzzPath(f *testing.F) {
	f.Add(`{"a.b":{"c d":1.5}}`, "a.b", "c d")
	f.Add(`{"\"":{"\\":2}}`, `"`, `\`)
	f.Add(`{"":{"":3}}`, "", "")
	f.Fuzz(func(t *testing.T, properties, first, second string) {
		e, errs := event.Decode([]byte(`{"userId":"u","eventType":"x","properties":` + properties + `}`))
		path := []byte("properties.")
		path, err := jsontext.AppendQuote(path, first)
		if err == nil {
			path, err = jsontext.AppendQuote(append(path, '.'), second)
		}
		d := metric.Definition{Name: "m", Sum: string(path)}
		if len(errs) > 0 || err != nil || len(d.Check()) > 0 {
			return
		}
		var tree map[string]any
		decoder := json.NewDecoder(strings.NewReader(string(e.Properties)))
		decoder.UseNumber()
		if err := decoder.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		want := ""
		if below, ok := tree[first].(map[string]any); ok {
			if n, ok := below[second].(json.Number); ok {
				want = fmt.Sprint(n)
			}
		}
		if m, ok := d.Of(d.Key(), &e); !ok || m.Value != want {
			t.Errorf("%s of %s: got %q, want %q", path, e.Properties, m.Value, want)
		}
	})
}
