package fake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// parameterKind is the kind of parameters in the registry; stacks don't create them.
const parameterKind = "AWS::SSM::Parameter"

// serve handles PutParameter, without Overwrite, GetParameter for SecureString, and
// DescribeParameters for one name.
func (f ssmAPI) serve(w http.ResponseWriter, r *request) {
	var in struct {
		Name, Value, Type, Description string
		WithDecryption                 bool
		ParameterFilters               []struct {
			Key, Option string
			Values      []string
		}
		NextToken string
	}
	if err := json.Unmarshal(r.body, &in); err != nil || !slices.Contains([]string{"GetParameter", "PutParameter", "DescribeParameters"}, r.call.Action) {
		f.refuse(w, r, notThere(r))
		return
	}
	if r.call.Action == "DescribeParameters" {
		if len(in.ParameterFilters) != 1 || in.ParameterFilters[0].Key != "Name" || in.ParameterFilters[0].Option != "Equals" || len(in.ParameterFilters[0].Values) != 1 {
			f.refuse(w, r, wire.Errorf("InvalidFilterKey", "The stand-in knows one filter: Name Equals."))
			return
		}
		r.call.Resource = "*"
		if in.NextToken == "" { // a page may be empty and have a successor
			wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"Parameters": []any{}, "NextToken": "second"})
			return
		}
		found := []any{}
		name := in.ParameterFilters[0].Values[0]
		if _, exists := f.registry.find(parameterKind, name); exists {
			found = append(found, map[string]any{"Name": name, "Type": "SecureString", "Version": 1})
		}
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"Parameters": found})
		return
	}
	r.call.Resource = f.arn("ssm", "parameter/"+strings.TrimPrefix(in.Name, "/"))
	stored, exists := f.registry.find(parameterKind, in.Name)
	switch {
	case r.call.Action == "GetParameter" && !exists:
		f.refuse(w, r, wire.Errorf("ParameterNotFound", ""))
	case r.call.Action == "GetParameter":
		value := str(stored.props, "Value")
		if !in.WithDecryption {
			value = "AQICAHh" // the ciphertext
		}
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"Parameter": map[string]any{
			"ARN": r.call.Resource, "Name": in.Name, "Type": "SecureString", "Value": value, "Version": 1, "DataType": "text",
		}})
	case exists:
		f.refuse(w, r, wire.Errorf("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."))
	case in.Type != "SecureString" || in.Value == "" || !strings.HasPrefix(in.Name, "/"):
		f.refuse(w, r, wire.Errorf("ValidationException", "1 validation error detected"))
	default:
		f.registry.put(&physical{kind: parameterKind, id: in.Name, props: map[string]any{"Value": in.Value}})
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"Version": 1, "Tier": "Standard"})
	}
}
