package iampolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/cfnregistry"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// rendered is a template: the types of its resources, and the properties of each type.
type rendered struct {
	name       string
	types      map[string]string
	properties map[string]map[string]bool
}

// templates renders the template of each environment, with each option alone and with
// all options.
func templates(t *testing.T) []rendered {
	t.Helper()
	var out []rendered
	for _, environment := range []string{config.Production, config.Staging, config.Development} {
		lines := map[string]string{environment + ", no options": "", environment + ", all options": everyoption.All()}
		for _, o := range everyoption.List() {
			lines[environment+", "+o.Name] = o.Lines + "\n"
		}
		for _, name := range slices.Sorted(maps.Keys(lines)) {
			v, err := config.Load(strings.NewReader(lines[name]), "variables.yaml", environment)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			built, err := template.Build(v, template.Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := built.YAML()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, parse(t, name, text))
		}
	}
	return out
}

func parse(t *testing.T, name string, text []byte) rendered {
	t.Helper()
	var document struct {
		Resources map[string]map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r := rendered{name, map[string]string{}, map[string]map[string]bool{}}
	for id, resource := range document.Resources {
		kind := resource["Type"].Value
		r.types[id] = kind
		if r.properties[kind] == nil {
			r.properties[kind] = map[string]bool{}
		}
		for attribute, value := range resource {
			r.properties[kind][attribute] = true // UpdatePolicy needs permissions too
			if attribute == "Properties" {
				for i := 0; i < len(value.Content); i += 2 {
					r.properties[kind][value.Content[i].Value] = true
				}
			}
		}
	}
	return r
}

func scope(stack string) Scope {
	return Scope{Partition: "aws", Account: "123456789012", Region: "us-east-1", Stack: stack, ArtifactBucket: "streamctl-artifacts-123456789012-us-east-1"}
}

// longestName is a stack name of the maximum length.
const longestName = "event-streaming-platform-production-blue"

// allowed returns the actions of documents.
func allowed(t *testing.T, documents [][]byte) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, d := range documents {
		var document policyDocument
		if err := json.Unmarshal(d, &document); err != nil {
			t.Fatal(err)
		}
		for _, s := range document.Statement {
			for _, a := range s.Action {
				out[a] = true
			}
		}
	}
	return out
}

// reason is the text after "not needed, because".
func (u exemption) reason() string {
	if u.because != "" {
		return u.because
	}
	return "no template sets " + strings.Join(u.properties, " or ")
}

// TestPolicyCoversHandlers compares the policy of every template with the permissions of
// CloudFormation's handlers, by type. It prints the table, and the actions that are not
// needed with the reasons.
func TestPolicyCoversHandlers(t *testing.T) {
	set := map[string]map[string]bool{} // the properties of each type in any template
	for _, r := range templates(t) {
		documents, err := Documents(scope("events"), r.types)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		may := allowed(t, documents)
		for kind, properties := range r.properties {
			if set[kind] == nil {
				set[kind] = map[string]bool{}
			}
			maps.Copy(set[kind], properties)
			handlers, _ := cfnregistry.Permissions(kind)
			for _, action := range handlers {
				exempt := Unneeded(kind, action)
				if !may[action] && !exempt {
					t.Errorf("%s: a handler of %s calls %s, which the policy lacks", r.name, kind, action)
				}
			}
		}
	}
	t.Log("policy ⊇ handlers: type, actions of its handlers, of those not needed, additional actions")
	for _, kind := range slices.Sorted(maps.Keys(set)) {
		handlers, _ := cfnregistry.Permissions(kind)
		not := 0
		for _, action := range handlers {
			if Unneeded(kind, action) {
				not++
			}
		}
		t.Logf("  %-40s %3d %3d %3d", kind, len(handlers), not, len(additional[kind]))
	}
	for _, u := range unneeded {
		t.Logf("not needed for %s, because %s: %s", u.resourceType, u.reason(), strings.Join(u.actions, ", "))
		for _, p := range u.properties {
			if set[u.resourceType][p] {
				t.Errorf("a template sets %s of %s, so %v are needed: remove them from the list", p, u.resourceType, u.actions)
			}
		}
		if len(u.properties) == 0 == (u.because == "") {
			t.Errorf("%s %v: want properties or a reason", u.resourceType, u.actions)
		}
		handlers, _ := cfnregistry.Permissions(u.resourceType)
		for _, pattern := range u.actions {
			one := exemption{resourceType: u.resourceType, actions: []string{pattern}}
			if !slices.ContainsFunc(handlers, func(a string) bool { return one.covers(u.resourceType, a) }) {
				t.Errorf("no handler of %s calls %s: remove it from the list", u.resourceType, pattern)
			}
		}
	}
}

// TestAdditionalActions checks that the list by hand repeats no action of the registry.
func TestAdditionalActions(t *testing.T) {
	for kind, actions := range additional {
		handlers, _ := cfnregistry.Permissions(kind)
		for _, a := range actions {
			if slices.Contains(handlers, a) {
				t.Errorf("the handlers of %s list %s too", kind, a)
			}
		}
	}
}

// TestDocumentSizes prints the size of each document, and checks IAM's limits with a short
// and with the longest stack name.
func TestDocumentSizes(t *testing.T) {
	for _, stack := range []string{"events", "event-streaming-platform-development", longestName} {
		for _, r := range templates(t) {
			documents, err := Documents(scope(stack), r.types)
			if err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
			again, err := Documents(scope(stack), r.types)
			if err != nil || !slices.EqualFunc(documents, again, bytes.Equal) {
				t.Errorf("%s: the documents differ from run to run (%v)", r.name, err)
			}
			var sizes []string
			sids := map[string]bool{}
			for _, d := range documents {
				var compact bytes.Buffer
				if err := json.Compact(&compact, d); err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, fmt.Sprint(compact.Len()))
				if compact.Len() > 6144 {
					t.Errorf("%s: a document has %d characters, IAM's limit is 6144", r.name, compact.Len())
				}
				var document policyDocument
				if err := json.Unmarshal(d, &document); err != nil {
					t.Fatal(err)
				}
				for _, s := range document.Statement {
					if sids[s.Sid] || len(s.Action) == 0 || len(s.Resource) == 0 {
						t.Errorf("%s: statement %s is empty or repeated", r.name, s.Sid)
					}
					sids[s.Sid] = true
				}
			}
			if strings.HasSuffix(r.name, "all options") || strings.HasSuffix(r.name, "no options") {
				t.Logf("%s, stack name of %d characters: %s characters", r.name, len(stack), strings.Join(sizes, " + "))
			}
			if len(documents) > 10 {
				t.Errorf("%s: %d documents, IAM attaches at most 10", r.name, len(documents))
			}
		}
	}
}

// TestUnknown rejects types and actions that no list knows, and policies beyond IAM's
// limits.
func TestUnknown(t *testing.T) {
	if _, err := Documents(scope("events"), map[string]string{"Thing": "AWS::Unknown::Thing"}); err == nil || !strings.Contains(err.Error(), "Thing: type AWS::Unknown::Thing is unknown") {
		t.Errorf("an unknown type: %v", err)
	}
	if _, err := scope("events").statements(map[string]bool{"secretsmanager:CreateSecret": true}, nil); err == nil || !strings.Contains(err.Error(), "secretsmanager:CreateSecret is unknown") {
		t.Errorf("an action without a statement: %v", err)
	}
	if _, err := pack([]policyStatement{{Sid: "Long", Action: []string{"a:B"}, Resource: []string{strings.Repeat("x", 7000)}}}); err == nil {
		t.Error("a resource that exceeds a document was accepted")
	}
}

// TestPlaceholders checks that a document without credentials is readable.
func TestPlaceholders(t *testing.T) {
	s := scope("events")
	s.Account, s.Region = "<account>", "<region>"
	documents, err := Documents(s, map[string]string{"Topic": "AWS::SNS::Topic"})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(documents[0]); !strings.Contains(text, "arn:aws:cloudformation:<region>:<account>:stack/events/*") || strings.Contains(text, `\u003c`) {
		t.Errorf("placeholders: %s", text)
	}
}
