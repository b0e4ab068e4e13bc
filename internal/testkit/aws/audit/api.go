package audit

import (
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// apiIDs finds ids of the wrong type, such as a model's id in place of a
// validator's.
func apiIDs(v *View) []Problem {
	const api = "AWS::ApiGateway::"
	out := misplaced(v, map[string][]string{
		"RestApiId": {api + "RestApi"}, "ResourceId": {api + "Resource", api + "RestApi"}, "ParentId": {api + "Resource", api + "RestApi"},
		"RequestValidatorId": {api + "RequestValidator"}, "DeploymentId": {api + "Deployment"},
	}, func(r cfn.Resource) bool { return strings.HasPrefix(r.Type, api) })
	for _, m := range v.of(api + "Method") {
		for _, kind := range sortedNames(asMap(m.Properties["RequestModels"])) {
			if _, ok := v.find(at(m.Properties, "RequestModels", kind), api+"Model"); !ok {
				out = append(out, Problem{m.ID, "RequestModels wants a model, got " + v.whose(at(m.Properties, "RequestModels", kind))})
			}
		}
		if text(at(m.Properties, "Integration", "Type")) == "AWS_PROXY" && text(at(m.Properties, "Integration", "IntegrationHttpMethod")) != "POST" {
			out = append(out, Problem{m.ID, "a function is invoked with POST, whatever the method's own verb is"})
		}
	}
	return out
}

// deployments finds deployments that may be created before a part of their API:
// the stage then lacks that part, without an error.
func deployments(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::ApiGateway::Deployment") {
		for _, part := range v.of("AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse") {
			if text(part.Properties["RestApiId"]) == text(d.Properties["RestApiId"]) && !v.before(d.ID, part.ID) {
				out.add(d.ID, "doesn't wait for %s", part.ID)
			}
		}
		if d.Properties["StageName"] != nil {
			out.add(d.ID, "makes a stage that another resource makes too")
		}
	}
	return out
}

// authorization finds routes that everyone can call, and preflight requests that
// require a signature, which browsers don't send. The routes of clients with a write key
// need no signature: ingest checks the key.
func authorization(v *View) []Problem {
	var out report
	for _, m := range v.of("AWS::ApiGateway::Method") {
		kind := text(m.Properties["AuthorizationType"])
		if unsigned := text(m.Properties["HttpMethod"]) == "OPTIONS" || isClientRoute(v, m); unsigned != (kind == "NONE") {
			out.add(m.ID, "%s with authorization %s", text(m.Properties["HttpMethod"]), kind)
		}
	}
	return out
}

// isClientRoute reports whether a method is one of /v1/{proxy+} and /beacon/{proxy+},
// invokes a function with write keys, and has limits of its own for each verb.
func isClientRoute(v *View, m cfn.Resource) bool {
	all, _ := v.find(m.Properties["ResourceId"], "AWS::ApiGateway::Resource")
	first, _ := v.find(all.Properties["ParentId"], "AWS::ApiGateway::Resource")
	parent := text(first.Properties["PathPart"])
	if text(all.Properties["PathPart"]) != "{proxy+}" || parent != "v1" && parent != "beacon" {
		return false
	}
	limited := map[string]bool{} // by the verb of a request
	for _, s := range v.of("AWS::ApiGateway::Stage") {
		for _, setting := range list(s.Properties["MethodSettings"]) {
			if text(at(setting, "ResourcePath")) == "/~1"+parent+"~1{proxy+}" && number(at(setting, "ThrottlingRateLimit")) > 0 {
				limited[text(at(setting, "HttpMethod"))] = true
			}
		}
	}
	for _, verb := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		if !limited[verb] {
			return false
		}
	}
	keys := false
	for _, f := range v.of("AWS::Lambda::Function") {
		keys = keys || text(at(f.Properties, "Environment", "Variables", "WRITE_KEYS")) != ""
	}
	return keys
}

// bodyModels finds request models and validators: they give one message for
// every malformed body, while ingest gives one per mistake.
func bodyModels(v *View) []Problem {
	var out report
	for _, r := range v.of("AWS::ApiGateway::Model", "AWS::ApiGateway::RequestValidator") {
		out.add(r.ID, "validates bodies before ingest does")
	}
	return out
}

// stages finds stages that may be created before the account has the role for
// their logs, and log destinations that API Gateway rejects.
func stages(v *View) []Problem {
	var out report
	for _, s := range v.of("AWS::ApiGateway::Stage") {
		destination := text(at(s.Properties, "AccessLogSetting", "DestinationArn"))
		logs := destination != ""
		for _, setting := range list(s.Properties["MethodSettings"]) {
			logs = logs || text(at(setting, "LoggingLevel")) != "OFF"
			if at(setting, "ThrottlingRateLimit") != nil && number(at(setting, "ThrottlingRateLimit")) == 0 {
				out.add(s.ID, "a rate of 0 lets nothing through")
			}
		}
		for _, a := range v.of("AWS::ApiGateway::Account") {
			if logs && !v.before(s.ID, a.ID) {
				out.add(s.ID, "doesn't wait for %s", a.ID)
			}
		}
		if !logs {
			continue
		}
		_, group, _ := strings.Cut(destination, ":log-group:")
		if _, ok := v.find(group, "AWS::Logs::LogGroup"); !ok || strings.HasSuffix(destination, ":*") {
			out.add(s.ID, "access logs go to %s", destination)
		}
		if format := text(at(s.Properties, "AccessLogSetting", "Format")); !strings.Contains(format, "$context.requestId") || strings.Contains(format, "\n") {
			out.add(s.ID, "the access log's format needs a request id and one line")
		}
	}
	return out
}

// bodyRules are the managed rules that inspect a request's body, which contains
// events: a page's HTML or a URL in a property is not an attack.
func bodyRules() map[string][]string {
	return map[string][]string{
		"AWSManagedRulesCommonRuleSet":         {"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"},
		"AWSManagedRulesKnownBadInputsRuleSet": {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY"},
		"AWSManagedRulesSQLiRuleSet":           {"SQLi_BODY", "SQLiExtendedPatterns_BODY"},
	}
}

// webACLs finds body rules that block requests, and rules that WAF rejects.
func webACLs(v *View) []Problem {
	var out report
	for _, acl := range v.of("AWS::WAFv2::WebACL") {
		for _, r := range list(acl.Properties["Rules"]) {
			name := text(at(r, "Name"))
			managed := at(r, "Statement", "ManagedRuleGroupStatement")
			if (at(r, "Action") != nil) == (at(r, "OverrideAction") != nil) || (managed != nil) != (at(r, "OverrideAction") != nil) {
				out.add(acl.ID, "%s: a managed rule group needs an OverrideAction, any other rule an Action", name)
			}
			counted := at(r, "OverrideAction", "Count") != nil
			for _, rule := range bodyRules()[text(at(managed, "Name"))] {
				if !counted && !slices.ContainsFunc(list(at(managed, "RuleActionOverrides")), func(o any) bool {
					return text(at(o, "Name")) == rule && at(o, "ActionToUse", "Count") != nil
				}) {
					out.add(acl.ID, "%s blocks requests by %s, which inspects events", name, rule)
				}
			}
			visit(at(r, "Statement"), nil, func(_ []string, key string, value any) {
				if key == "FieldToMatch" && (at(value, "Body") != nil || at(value, "JsonBody") != nil) && at(r, "Action", "Block") != nil {
					out.add(acl.ID, "%s blocks requests by their events' content", name)
				}
			})
		}
	}
	return out
}
