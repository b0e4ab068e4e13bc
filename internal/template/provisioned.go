package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/lambda"
)

// addProvisionedConcurrency keeps executions of a function ready: those of a version,
// under an alias that the API calls. A version is a snapshot that never changes, so its
// logical id contains a hash of its content: the code's key, the function's settings,
// and the resources in its environment. A change of these publishes a new version, and
// the alias moves to it.
func (t *Template) addProvisionedConcurrency(function string, executions int) {
	hash := sha256.New()
	write := func(id string) {
		text, err := json.Marshal(t.resources[id])
		if err != nil {
			t.errs = append(t.errs, fmt.Errorf("%s: %w", id, err))
		}
		fmt.Fprintf(hash, "%s %s\n", id, text)
	}
	fmt.Fprintln(hash, t.codeKeys[function])
	write(FunctionID(function))
	properties, _ := t.resources[FunctionID(function)]["Properties"].(tree)
	named := map[string]bool{}
	references(properties["Environment"], named)
	for _, id := range slices.Sorted(maps.Keys(named)) {
		write(id)
	}
	version, alias := title(function)+"Version"+hex.EncodeToString(hash.Sum(nil))[:10], AliasID(function)
	t.add(version, &lambda.Version{FunctionName: Ref(FunctionID(function))})
	t.add(alias, &lambda.Alias{
		FunctionName: Ref(FunctionID(function)), FunctionVersion: GetAtt(version, "Version"), Name: "live",
		ProvisionedConcurrencyConfig: &lambda.Alias_ProvisionedConcurrencyConfiguration{ProvisionedConcurrentExecutions: executions},
	})
	t.aliases[function] = alias
}

// references returns the ids of all Ref, GetAtt and Sub in a value.
func references(value any, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			switch list, _ := item.([]any); {
			case key == "Ref":
				into[fmt.Sprint(item)] = true
			case key == "Fn::GetAtt" && len(list) == 2:
				into[fmt.Sprint(list[0])] = true
			case key == "Fn::Sub":
				for _, found := range placeholder.Regexp().FindAllStringSubmatch(fmt.Sprint(item), -1) {
					id, _, _ := strings.Cut(found[1], ".")
					into[id] = true
				}
			default:
				references(item, into)
			}
		}
	case []any:
		for _, item := range value {
			references(item, into)
		}
	}
}

// invokeTarget is the function's alias, if it has one, else the function itself.
func (t *Template) invokeTarget(function string) string {
	if alias, ready := t.aliases[function]; ready {
		return Ref(alias)
	}
	return Ref(FunctionID(function))
}

// invokeTargetOf is the ARN of invokeTarget.
func (t *Template) invokeTargetOf(function string) string {
	if alias, ready := t.aliases[function]; ready {
		return Ref(alias)
	}
	return GetAtt(FunctionID(function), "Arn")
}

// AliasID is the logical id of a function's alias, which exists if the function has
// provisioned concurrency.
func AliasID(function string) string { return title(function) + "Alias" }

// invokeTargetArn is the ARN of invokeTarget, as a placeholder of Sub; the Ref of an
// alias is its ARN.
func (t *Template) invokeTargetArn(function string) string {
	if alias, ready := t.aliases[function]; ready {
		return "${" + alias + "}"
	}
	return "${" + FunctionID(function) + ".Arn}"
}
