package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	schemakind "github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// bodyModel is a JSON schema that a request validator applies to bodies.
type bodyModel struct{ schema *jsonschema.Schema }

// compileModel compiles a model's schema, an object or its text, as draft 04.
func compileModel(schema any) (*bodyModel, error) {
	text, ok := schema.(string)
	if !ok {
		data, err := json.Marshal(schema)
		if err != nil {
			return nil, fmt.Errorf("marshal schema: %w", err)
		}
		text = string(data)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	if _, ok := doc.(map[string]any); !ok {
		return nil, errors.New("schema is not an object")
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	if err := c.AddResource("model.json", doc); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile("model.json")
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &bodyModel{compiled}, nil
}

// check returns the first problem of a body, like API Gateway's
// $context.error.validationErrorString; empty if the body is valid.
func (m *bodyModel) check(body []byte) string {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return "Unable to parse the request body as JSON"
	}
	var bad *jsonschema.ValidationError
	if err := m.schema.Validate(doc); !errors.As(err, &bad) {
		return ""
	}
	for len(bad.Causes) > 0 {
		bad = bad.Causes[0]
	}
	text := bad.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	if missing, ok := bad.ErrorKind.(*schemakind.Required); ok {
		text = fmt.Sprintf("object has missing required properties ([%q])", strings.Join(missing.Missing, `","`))
	}
	return "[" + text + "]"
}
