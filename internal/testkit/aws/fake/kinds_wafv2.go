package fake

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// WAF's own messages, including the apostrophes.
const (
	wafMissing    = "AWS WAF couldn’t perform the operation because your resource doesn’t exist."
	wafDuplicate  = "AWS WAF couldn’t perform the operation because some resource in your request is a duplicate of an existing one."
	wafAssociated = "AWS WAF couldn’t perform the operation because your resource is being used by another resource or it’s associated with another resource."
)

// wafv2Kinds declares web ACLs and their associations. Web ACLs are not applied
// to requests.
func wafv2Kinds() map[string]kind {
	return map[string]kind{
		"AWS::WAFv2::WebACL": {
			id: func(r cfn.Request) string {
				return named("Name", 128)(r) + "|" + uuid(r) + "|" + str(r.Properties, "Scope")
			},
			check: checkWebACL, create: createWebACL, remove: removeWebACL,
			attributes: map[string]string{"Arn": "", "Id": "", "Capacity": "", "LabelNamespace": ""},
		},
		"AWS::WAFv2::LoggingConfiguration": {
			id: func(r cfn.Request) string { return str(r.Properties, "ResourceArn") }, check: checkWAFLogging,
			attributes: map[string]string{"ManagedByFirewallManager": "false"},
		},
		"AWS::WAFv2::WebACLAssociation": {
			id: func(r cfn.Request) string {
				return str(r.Properties, "ResourceArn") + "|" + str(r.Properties, "WebACLArn")
			},
			check: checkWebACLAssociation,
		},
	}
}

func wafError(message, code string) error { return handlerError("Wafv2", 400, message, code) }

// wafInvalid is a WAFInvalidParameterException.
func wafInvalid(reason, field, parameter string) error {
	return wafError("Error reason: "+reason+", field: "+field+", parameter: "+parameter, "InvalidRequest")
}

const (
	wafBadARN = "The ARN isn't valid. A valid ARN begins with arn: and includes other information separated by colons or slashes."
	wafOneOf  = "You have used none or multiple values for a field that requires exactly one value."
)

// checkWebACL requires one default action, and complete rules with different
// priorities, each with exactly one action of the right kind.
func checkWebACL(f *account, r cfn.Request) error {
	if scope := str(r.Properties, "Scope"); scope != "REGIONAL" && (scope != "CLOUDFRONT" || f.options.Region != "us-east-1") {
		return wafInvalid("The scope is not valid.", "SCOPE_VALUE", scope)
	}
	if len(child(r.Properties, "DefaultAction")) != 1 {
		return wafInvalid(wafOneOf, "DEFAULT_ACTION", "DefaultAction")
	}
	if name := str(r.Properties, "Name"); r.PhysicalID == "" && name != "" {
		for _, other := range f.registry.list(r.Type) {
			if strings.HasPrefix(other.id, name+"|") && str(other.props, "Scope") == str(r.Properties, "Scope") {
				return wafError(wafDuplicate, "AlreadyExists")
			}
		}
	}
	priorities := map[string]string{}
	for i, rule := range children(r.Properties, "Rules") {
		for _, name := range []string{"Name", "Priority", "Statement", "VisibilityConfig"} {
			if rule[name] == nil {
				return cfn.Reasonf("Properties validation failed for resource %s with message:\n#/Rules/%d: required key [%s] not found", r.LogicalID, i, name)
			}
		}
		statement, name, priority := child(rule, "Statement"), str(rule, "Name"), str(rule, "Priority")
		group := statement["ManagedRuleGroupStatement"] != nil || statement["RuleGroupReferenceStatement"] != nil
		if (rule["OverrideAction"] != nil) != group || (rule["Action"] != nil) == group || len(statement) != 1 {
			return wafInvalid(wafOneOf, "RULE", "Rule")
		}
		if other, taken := priorities[priority]; taken {
			return wafInvalid(fmt.Sprintf("Rules %s and %s have the same priority.", other, name), "RULE", priority)
		}
		priorities[priority] = name
	}
	return nil
}

func createWebACL(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
	parts := strings.Split(r.PhysicalID, "|") // name, id, scope
	where := "regional"
	if parts[2] == "CLOUDFRONT" {
		where = "global"
	}
	return map[string]any{
		"Arn": f.arn("wafv2", where+"/webacl/"+parts[0]+"/"+parts[1]), "Id": parts[1],
		"LabelNamespace": "awswaf:" + f.options.Account + ":webacl:" + parts[0] + ":",
	}, nil
}

// removeWebACL rejects the deletion while a stage uses the web ACL.
func removeWebACL(_ context.Context, f *account, r cfn.Request) error {
	acl, _ := f.registry.find(r.Type, r.PhysicalID)
	for _, a := range f.registry.list("AWS::WAFv2::WebACLAssociation") {
		if str(a.props, "WebACLArn") == acl.attrs["Arn"] {
			return wafError(wafAssociated, "InvalidRequest") // WAFAssociatedItemException
		}
	}
	return nil
}

func (f *account) webACL(arn string) bool {
	for _, acl := range f.registry.list("AWS::WAFv2::WebACL") {
		if acl.attrs["Arn"] == arn {
			return true
		}
	}
	return false
}

// checkWAFLogging requires an existing log group that WAF may write to: its
// name has WAF's prefix, and the ARN doesn't end in :*.
func checkWAFLogging(f *account, r cfn.Request) error {
	if !f.webACL(str(r.Properties, "ResourceArn")) {
		return wafError(wafMissing, "NotFound")
	}
	destinations := items(r.Properties, "LogDestinationConfigs")
	if len(destinations) != 1 {
		return wafInvalid(wafOneOf, "LOG_DESTINATION", strings.Join(destinations, ","))
	}
	group, ok := strings.CutPrefix(destinations[0], f.arn("logs", "log-group:"))
	if !ok || !strings.HasPrefix(group, "aws-waf-logs-") || strings.HasSuffix(group, ":*") {
		return wafInvalid(wafBadARN, "LOG_DESTINATION", destinations[0])
	}
	if !f.logs.exists(group) {
		return wafError(wafMissing, "NotFound")
	}
	return nil
}

// checkWebACLAssociation requires an existing web ACL and stage.
func checkWebACLAssociation(f *account, r cfn.Request) error {
	resource := str(r.Properties, "ResourceArn")
	stage := regexp.MustCompile(`^arn:aws:apigateway:` + f.options.Region + `::/restapis/([^/]+)/stages/([^/]+)$`).FindStringSubmatch(resource)
	if stage == nil {
		return wafInvalid(wafBadARN, "RESOURCE_ARN", resource)
	}
	if !f.webACL(str(r.Properties, "WebACLArn")) {
		return wafError(wafMissing, "NotFound")
	}
	if _, ok := f.registry.find("AWS::ApiGateway::Stage", partID(stage[1], stage[2])); !ok {
		return wafError(wafMissing, "NotFound")
	}
	return nil
}
