package audit_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/testkit/aws/audit"
)

// tree is a rendered template in which to plant a fault.
type tree struct {
	*testing.T
	all map[string]any
}

func (t tree) resource(id string) map[string]any {
	r, ok := t.all["Resources"].(map[string]any)[id].(map[string]any)
	if !ok {
		t.Fatal("no resource " + id)
	}
	return r
}

func (t tree) properties(id string) map[string]any {
	return t.resource(id)["Properties"].(map[string]any)
}

// set changes a property; the last argument is the value, the arguments before
// it are the keys and indexes of the property.
func (t tree) set(id string, path ...any) {
	var at any = t.properties(id)
	value, last := path[len(path)-1], path[len(path)-2]
	for _, step := range path[:len(path)-2] {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	switch last := last.(type) {
	case string:
		if value == nil {
			delete(at.(map[string]any), last)
			return
		}
		at.(map[string]any)[last] = value
	case int:
		at.([]any)[last] = value
	}
}

// add adds a resource to the template.
func (t tree) add(id, kind string, properties map[string]any) {
	t.all["Resources"].(map[string]any)[id] = map[string]any{"Type": kind, "Properties": properties}
}

// addPolicy adds an inline policy to a role.
func (t tree) addPolicy(role string, document map[string]any) {
	policies := t.properties(role)["Policies"].([]any)
	t.set(role, "Policies", append(policies, map[string]any{"PolicyName": "more", "PolicyDocument": document}))
}

// waitNot removes an entry of a resource's DependsOn.
func (t tree) waitNot(id, other string) {
	r := t.resource(id)
	list, _ := r["DependsOn"].([]any)
	r["DependsOn"] = slices.DeleteFunc(list, func(item any) bool { return item == other })
	if len(r["DependsOn"].([]any)) == len(list) {
		t.Fatal(id + " doesn't wait for " + other)
	}
}

// first returns the id of the first resource of a type.
func (t tree) first(kind string) string {
	all := t.all["Resources"].(map[string]any)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if all[id].(map[string]any)["Type"] == kind {
			return id
		}
	}
	t.Fatal("nothing of type " + kind)
	return ""
}

// replace replaces a text everywhere in a resource; it must occur.
func (t tree) replace(id, old, with string) {
	body, err := json.Marshal(t.resource(id))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(body), old) {
		t.Fatalf("%s does not contain %s: %s", id, old, body)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(body), old, with)), &out); err != nil {
		t.Fatal(err)
	}
	t.all["Resources"].(map[string]any)[id] = out
}

func ref(id string) map[string]any { return map[string]any{"Ref": id} }

func getAtt(id, attribute string) map[string]any {
	return map[string]any{"Fn::GetAtt": []any{id, attribute}}
}

// fault is a fault in a template that linters don't notice.
type fault struct {
	name string
	// check is the check that must find it.
	check string
	plant func(tree)
}

// found runs the checks on a copy of a template, with or without a fault.
func found(t *testing.T, body map[string]any, o audit.Options, plant func(tree)) map[string][]audit.Problem {
	t.Helper()
	planted := tree{t, clone(body).(map[string]any)}
	if plant != nil {
		plant(planted)
	}
	v, err := audit.FromTree(planted.all, o)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Run(v)
}

func clone(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for key, item := range value {
			out[key] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = clone(item)
		}
		return out
	}
	return value
}

// TestFaults plants one fault at a time. Exactly the intended check must find
// it.
func TestFaults(t *testing.T) {
	complained := map[string]bool{}
	long, short := longest(options(t, "events")), options(t, "events")
	long.Defaults = true
	for _, part := range []struct {
		name    string
		body    map[string]any
		options audit.Options
		faults  []fault
	}{
		{"production", decode(t, rendered(t, config.Default(config.Production))), long,
			slices.Concat(networkFaults(), reachFaults(), monitoringFaults(), functionFaults(), storeFaults(), identityFaults(), apiFaults(), nameFaults())},
		{"production with every option", decode(t, rendered(t, everything(t, config.Production))), short, optionFaults()},
	} {
		before := found(t, part.body, part.options, nil)
		for _, f := range part.faults {
			t.Run(part.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				var failed []string
				after := found(t, part.body, part.options, f.plant)
				for check, problems := range after {
					for _, p := range problems {
						if !slices.Contains(before[check], p) {
							failed = append(failed, check)
							t.Logf("%s: %s", check, p)
						}
					}
				}
				slices.Sort(failed)
				if failed = slices.Compact(failed); !slices.Equal(failed, []string{f.check}) {
					t.Errorf("%q found it, want %q", failed, f.check)
				}
			})
			complained[f.check] = true
		}
	}
	for _, c := range audit.Checks() {
		if !complained[c.Name] {
			t.Errorf("no fault for the check %q", c.Name)
		}
	}
}
