package cfn

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

var (
	stackNamePattern = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)
	tokenPattern     = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]{0,127}$`)
)

func checkStackName(name string) error {
	if !stackNamePattern.MatchString(name) || len(name) > 128 {
		return invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	return nil
}

// useToken registers an operation's token. It returns errRepeated if the token
// started the same operation before, and an error if it started another.
func (st *stack) useToken(token, action string) error {
	if token == "" {
		st.token = "Console-" + wire.NewUUID()
		return nil
	}
	if !tokenPattern.MatchString(token) {
		return invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint", token)
	}
	if previous, ok := st.tokens[token]; ok {
		if previous == action {
			return errRepeated
		}
		return wire.Errorf("TokenAlreadyExistsException", "Stack with id %s: client request token [%s] was already used for another operation", st.id, token)
	}
	st.tokens[token] = action
	st.token = token
	return nil
}

// errRepeated means that the same request was accepted before.
var errRepeated = wire.Errorf("Repeated", "the same request was accepted before")

// body reads TemplateBody, TemplateURL or, with UsePreviousTemplate, the
// stack's own template. The caller holds the lock.
func (s api) body(ctx context.Context, f wire.Form, st *stack) (string, error) {
	body, url := f.Get("TemplateBody"), f.Get("TemplateURL")
	switch {
	case f.Bool("UsePreviousTemplate") && st != nil:
		return st.template.Body, nil
	case body != "" && url != "":
		return "", invalid("Only one of TemplateBody or TemplateUrl may be specified.")
	case len(body) > 51200:
		return "", invalid("1 validation error detected: Value '...' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200")
	case body != "":
		return body, nil
	case url == "":
		return "", invalid("Either Template URL or Template Body must be specified.")
	}
	text, err := s.options.Fetch(ctx, url)
	if err != nil {
		return "", invalid("S3 error: %v", err)
	}
	if len(text) > 1<<20 {
		return "", invalid("Template may not exceed 1000000 bytes in size.")
	}
	return text, nil
}

// readInput validates template, parameters, capabilities and tags. st is nil
// for a new stack. The caller holds the lock.
func (s api) readInput(ctx context.Context, f wire.Form, st *stack) (input, error) {
	var in input
	body, err := s.body(ctx, f, st)
	if err != nil {
		return in, err
	}
	if in.template, err = Parse(body, s.provider); err != nil {
		return in, err
	}
	var supplied []Supplied
	for _, m := range f.Structs("Parameters", "ParameterKey", "ParameterValue", "UsePreviousValue") {
		supplied = append(supplied, Supplied{Key: m["ParameterKey"], Value: m["ParameterValue"], UsePrevious: m["UsePreviousValue"] == "true"})
	}
	var previous map[string]string
	if st != nil {
		previous, in.tags = st.params, st.tags
	}
	if in.params, err = in.template.values(supplied, previous); err != nil {
		return in, err
	}
	in.capabilities = f.List("Capabilities")
	if err := checkCapabilities(in.template, s.provider, in.capabilities); err != nil {
		return in, err
	}
	if tags := f.Structs("Tags", "Key", "Value"); len(tags) > 0 {
		in.tags, in.hasTags = nil, true
		for _, m := range tags {
			in.tags = append(in.tags, Tag{Key: m["Key"], Value: m["Value"]})
		}
	}
	return in, checkTags(in.tags)
}

// needed returns the capabilities that a template requires.
func (t *Template) needed(kinds Kinds) []string {
	var out []string
	for _, id := range sortedKeys(t.Resources) {
		kind, _ := kinds.Kind(t.Resources[id].Type)
		if !kind.IAM {
			continue
		}
		for _, name := range kind.CustomNames {
			if _, ok := t.Resources[id].Properties[name]; ok {
				return []string{"CAPABILITY_NAMED_IAM"}
			}
		}
		out = []string{"CAPABILITY_IAM"}
	}
	return out
}

func checkCapabilities(t *Template, kinds Kinds, given []string) error {
	need := t.needed(kinds)
	if len(need) == 0 || slices.Contains(given, need[0]) || slices.Contains(given, "CAPABILITY_NAMED_IAM") {
		return nil
	}
	return wire.Errorf("InsufficientCapabilitiesException", "Requires capabilities : [%s]", strings.Join(need, ", "))
}
