package template

import (
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/wafv2"

	"github.com/streamctl/streamctl/internal/config"
)

// addWebACL protects the API with a web ACL: the stack's own, or an existing one.
func (t *Template) addWebACL(v config.Variables) {
	acl := v.WebAcl
	if acl == config.WebAclOwn {
		t.add(idWebACL, webACL())
		acl = GetAtt(idWebACL, "Arn")
		t.add(idWebACLLogGroup, t.logGroup(v, "aws-waf-logs-${AWS::StackName}")) // the prefix is WAF's
		t.add(idWebACLLogging, &wafv2.LoggingConfiguration{
			ResourceArn:           acl,
			LogDestinationConfigs: []string{arn("logs", "log-group:${"+idWebACLLogGroup+"}")},
			RedactedFields:        []wafv2.LoggingConfiguration_FieldToMatch{{SingleHeader: &wafv2.LoggingConfiguration_SingleHeader{Name: "authorization"}}},
		})
	}
	t.add(idWebACLAssociation, &wafv2.WebACLAssociation{
		WebACLArn:   acl,
		ResourceArn: Sub("arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${" + idApi + "}/stages/${" + idApiStage + "}"),
	})
}

// The rules that inspect bodies. A batch is larger than they allow, and a property may
// contain a URL, HTML or any text as a user agent. They count instead of blocking,
// because one event would block a whole batch.
var (
	commonBodyRules = []string{"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"}
	knownBodyRules  = []string{"Log4JRCE_BODY", "JavaDeserializationRCE_BODY"}
)

// requestsPerAddress is the limit of requests from one address within five minutes.
const requestsPerAddress = 100_000

func webACL() *wafv2.WebACL {
	seen := func(name string) *wafv2.WebACL_VisibilityConfig {
		return &wafv2.WebACL_VisibilityConfig{SampledRequestsEnabled: true, CloudWatchMetricsEnabled: true, MetricName: name}
	}
	empty := map[string]any{}
	counted := func(rules []string) (out []wafv2.WebACL_RuleActionOverride) {
		for _, name := range rules {
			out = append(out, wafv2.WebACL_RuleActionOverride{Name: name, ActionToUse: &wafv2.WebACL_RuleAction{Count: &wafv2.WebACL_CountAction{}}})
		}
		return out
	}
	managed := func(priority int, group string, overrides []wafv2.WebACL_RuleActionOverride) wafv2.WebACL_Rule {
		short := strings.TrimPrefix(group, "AWSManagedRules")
		return wafv2.WebACL_Rule{
			Name: short, Priority: priority, VisibilityConfig: seen(short),
			OverrideAction: &wafv2.WebACL_OverrideAction{None: empty},
			Statement: &wafv2.WebACL_Statement{ManagedRuleGroupStatement: &wafv2.WebACL_ManagedRuleGroupStatement{
				VendorName: "AWS", Name: group, RuleActionOverrides: overrides}},
		}
	}
	return &wafv2.WebACL{
		Scope: "REGIONAL", DefaultAction: &wafv2.WebACL_DefaultAction{Allow: &wafv2.WebACL_AllowAction{}}, VisibilityConfig: seen("Api"),
		Rules: []wafv2.WebACL_Rule{
			{Name: "RatePerAddress", Priority: 0, VisibilityConfig: seen("RatePerAddress"),
				Action:    &wafv2.WebACL_RuleAction{Block: &wafv2.WebACL_BlockAction{}},
				Statement: &wafv2.WebACL_Statement{RateBasedStatement: &wafv2.WebACL_RateBasedStatement{AggregateKeyType: "IP", Limit: requestsPerAddress}}},
			managed(1, "AWSManagedRulesAmazonIpReputationList", nil),
			managed(2, "AWSManagedRulesCommonRuleSet", counted(commonBodyRules)),
			managed(3, "AWSManagedRulesKnownBadInputsRuleSet", counted(knownBodyRules)),
		},
	}
}
