package template

import (
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/apigateway"
	"github.com/awslabs/goformation/v7/cloudformation/ec2"
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/route53"
	"github.com/awslabs/goformation/v7/cloudformation/wafv2"

	"github.com/streamctl/streamctl/internal/config"
)

// addRole adds a role, inside the permissions boundary if there is one.
func (t *Template) addRole(id string, role *iam.Role) {
	if t.boundary != "" {
		role.PermissionsBoundary = new(t.boundary)
	}
	t.add(id, role)
}

// addOptions makes what is off unless somebody asks for it, because it costs
// money or is another team's business.
func (t *Template) addOptions(v config.Variables) {
	if v.WebAcl == config.WebAclNone && !v.FlowLogs && v.DomainName == "" {
		return
	}
	t.group("Options")
	if v.FlowLogs {
		t.addFlowLogs(v)
	}
	if v.WebAcl != config.WebAclNone {
		t.addWebACL(v)
	}
	if v.DomainName != "" {
		t.addDomain(v)
	}
}

// addFlowLogs logs connections that the security groups refuse.
func (t *Template) addFlowLogs(v config.Variables) {
	t.add(idFlowLogGroup, t.logGroup(v, "/aws/vpc/${AWS::StackName}"))
	t.addRole(idFlowLogRole, &iam.Role{
		AssumeRolePolicyDocument: trust("vpc-flow-logs.amazonaws.com", ownAccount()),
		Policies: inline(
			statement{Action: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"}, Resource: GetAtt(idFlowLogGroup, "Arn")},
			// The call that finds the group takes no narrower resource.
			statement{Action: "logs:DescribeLogGroups", Resource: "*"},
		),
	})
	t.add(idFlowLog, &ec2.FlowLog{
		ResourceId: Ref(idVpc), ResourceType: "VPC", TrafficType: new("REJECT"),
		LogDestinationType: new("cloud-watch-logs"), LogGroupName: new(Ref(idFlowLogGroup)),
		DeliverLogsPermissionArn: new(GetAtt(idFlowLogRole, "Arn")),
	})
}

// addWebACL puts a web ACL before the API: one of the stack's own, or one that
// exists.
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

// The rules that look into bodies, where a batch of events is larger than they
// allow and a property may hold a URL, HTML or what somebody typed as a user
// agent. They count instead of blocking: one event would refuse the others.
var (
	commonBodyRules = []string{"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"}
	knownBodyRules  = []string{"Log4JRCE_BODY", "JavaDeserializationRCE_BODY"}
)

// requestsPerAddress is how many requests one address may send in five minutes.
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

// addDomain serves the API under a name of one's own.
func (t *Template) addDomain(v config.Variables) {
	t.add(idDomain, &apigateway.DomainName{
		DomainName:             new(v.DomainName),
		RegionalCertificateArn: new(v.DomainCertificateArn),
		EndpointConfiguration:  &apigateway.DomainName_EndpointConfiguration{Types: []string{"REGIONAL"}},
		SecurityPolicy:         new("TLS_1_2"),
	})
	t.add(idDomainMapping, &apigateway.BasePathMapping{
		DomainName: Ref(idDomain), RestApiId: new(Ref(idApi)), Stage: new(Ref(idApiStage)),
	})
	if v.DomainHostedZoneId != "" {
		t.add(idDomainRecord, &route53.RecordSet{
			Name: v.DomainName, Type: "A", HostedZoneId: new(v.DomainHostedZoneId),
			AliasTarget: &route53.RecordSet_AliasTarget{
				DNSName: GetAtt(idDomain, "RegionalDomainName"), HostedZoneId: GetAtt(idDomain, "RegionalHostedZoneId"),
			},
		})
	}
}
