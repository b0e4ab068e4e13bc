package fake_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// created creates a stack from a template.
func created(t *testing.T, f *awsfake.Fake, name, body string, params ...types.Parameter) (*cloudformation.Client, types.Stack) {
	t.Helper()
	c := cloudformation.NewFromConfig(config(f))
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String(name), TemplateBody: aws.String(body), Parameters: params, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, name)
	wantStatus(t, f, c, s, types.StackStatusCreateComplete)
	return c, s
}

// refusal creates a stack of one resource and returns the reason of its
// failure; nothing of the stack remains.
func refusal(t *testing.T, f *awsfake.Fake, resource string) string {
	t.Helper()
	c := cloudformation.NewFromConfig(config(f))
	out, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String("refused"), TemplateBody: aws.String("Resources:\n  It: " + resource), OnFailure: types.OnFailureDelete,
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(out.StackId)
	if s := settle(t, c, id); s.StackStatus == types.StackStatusCreateComplete {
		remove(t, f, c, "refused", types.StackStatusDeleteComplete)
		return ""
	}
	return failure(t, c, id, "It", types.ResourceStatusCreateFailed)
}

// failure returns the last reason of a resource's events with a status.
func failure(t *testing.T, c *cloudformation.Client, stack, logicalID string, status types.ResourceStatus) (reason string) {
	t.Helper()
	for _, e := range events(t, c, stack) {
		if e.ResourceStatus == status && aws.ToString(e.LogicalResourceId) == logicalID {
			reason = aws.ToString(e.ResourceStatusReason)
		}
	}
	return reason
}

// remove deletes a stack and returns its id.
func remove(t *testing.T, f *awsfake.Fake, c *cloudformation.Client, name string, want types.StackStatus) string {
	t.Helper()
	out, err := c.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(out.Stacks[0].StackId)
	if _, err := c.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, id), want)
	return id
}

// filled replaces {Key} in a text by the stack's output.
func filled(s types.Stack, text string) string {
	for _, o := range s.Outputs {
		text = strings.ReplaceAll(text, "{"+aws.ToString(o.OutputKey)+"}", aws.ToString(o.OutputValue))
	}
	return text
}

func TestEdgeIdentities(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	_, s := created(t, f, "edge", *read(t, "edge.yaml"))
	const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	for key, want := range map[string]string{
		"Acl": `front\|` + uuid + `\|REGIONAL`, "AclArn": `arn:aws:wafv2:us-east-1:123456789012:regional/webacl/front/` + uuid, "AclId": uuid,
		"FlowLog": `fl-[0-9a-f]{17}`, "Target": `d-[a-z0-9]{10}\.execute-api\.us-east-1\.amazonaws\.com`, "Zone": `Z1UJRXOUMOOFQ8`, "Record": `events\.example\.com`,
	} {
		if got := output(s, key); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s is %q", key, got)
		}
	}
	if !strings.Contains(output(s, "AclArn"), output(s, "AclId")) || !strings.Contains(output(s, "Acl"), output(s, "AclId")) {
		t.Errorf("ids differ: %s, %s, %s", output(s, "Acl"), output(s, "AclArn"), output(s, "AclId"))
	}
}

func TestEdgeRefusals(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	_, s := created(t, f, "edge", *read(t, "edge.yaml"))
	const (
		seen   = "VisibilityConfig: {SampledRequestsEnabled: true, CloudWatchMetricsEnabled: true, MetricName: m}"
		acl    = "{Type: AWS::WAFv2::WebACL, Properties: {Scope: REGIONAL, DefaultAction: {Allow: {}}, " + seen + ", "
		rate   = "Statement: {RateBasedStatement: {AggregateKeyType: IP, Limit: 100}}, " + seen
		group  = "Statement: {ManagedRuleGroupStatement: {VendorName: AWS, Name: X}}, " + seen
		oneOf  = "You have used none or multiple values for a field that requires exactly one value., field: RULE, parameter: Rule"
		badARN = "The ARN isn't valid. A valid ARN begins with arn: and includes other information separated by colons or slashes., field: "
		gone   = "AWS WAF couldn’t perform the operation because your resource doesn’t exist."
		logs   = "{Type: AWS::WAFv2::LoggingConfiguration, Properties: {ResourceArn: '{AclArn}', LogDestinationConfigs: ['arn:aws:logs:us-east-1:123456789012:log-group:"
		joined = "{Type: AWS::WAFv2::WebACLAssociation, Properties: {WebACLArn: '{AclArn}', ResourceArn: '"
		domain = "{Type: AWS::ApiGateway::DomainName, Properties: {EndpointConfiguration: {Types: [REGIONAL]}, "
		base   = "{Type: AWS::ApiGateway::BasePathMapping, Properties: {DomainName: "
		record = "{Type: AWS::Route53::RecordSet, Properties: {Type: A, HostedZoneId: Z1, "
		flow   = "{Type: AWS::EC2::FlowLog, Properties: {ResourceType: VPC, TrafficType: ALL, ResourceId: "
		role   = "DeliverLogsPermissionArn: '{RoleArn}'"
	)
	for _, tt := range []struct{ name, resource, want string }{
		{"acl without scope", "{Type: AWS::WAFv2::WebACL, Properties: {DefaultAction: {Allow: {}}, " + seen + "}}", "required key [Scope] not found"},
		{"acl with both defaults", "{Type: AWS::WAFv2::WebACL, Properties: {Scope: REGIONAL, DefaultAction: {Allow: {}, Block: {}}, " + seen + "}}", "field: DEFAULT_ACTION"},
		{"acl's name", acl + "Name: front}}", "is a duplicate of an existing one."},
		{"rule without action", acl + "Rules: [{Name: a, Priority: 1, " + rate + "}]}}", oneOf},
		{"rule with both actions", acl + "Rules: [{Name: a, Priority: 1, Action: {Block: {}}, OverrideAction: {None: {}}, " + group + "}]}}", oneOf},
		{"group with an action", acl + "Rules: [{Name: a, Priority: 1, Action: {Block: {}}, " + group + "}]}}", oneOf},
		{"rule without metrics", acl + "Rules: [{Name: a, Priority: 1, Action: {Block: {}}, Statement: {X: {}}}]}}", "#/Rules/0: required key [VisibilityConfig] not found"},
		{"priority twice", acl + "Rules: [{Name: a, Priority: 1, Action: {Block: {}}, " + rate + "}, {Name: b, Priority: 1, OverrideAction: {None: {}}, " + group + "}]}}", "Rules a and b have the same priority."},
		{"acl that passes", acl + "Rules: [{Name: a, Priority: 1, Action: {Block: {}}, " + rate + "}, {Name: b, Priority: 2, OverrideAction: {None: {}}, " + group + "}]}}", ""},
		{"logs of no acl", "{Type: AWS::WAFv2::LoggingConfiguration, Properties: {ResourceArn: 'arn:aws:wafv2:x', LogDestinationConfigs: [x]}}", gone},
		{"logs to another prefix", logs + "/vpc']}}", badARN + "LOG_DESTINATION, parameter: arn:aws:logs:us-east-1:123456789012:log-group:/vpc"},
		{"logs to an ARN of streams", logs + "aws-waf-logs-edge:*']}}", badARN + "LOG_DESTINATION"},
		{"logs to no group", logs + "aws-waf-logs-absent']}}", gone},
		{"stage that isn't there", joined + "arn:aws:apigateway:us-east-1::/restapis/{Api}/stages/test'}}", gone},
		{"stage with an account", joined + "arn:aws:apigateway:us-east-1:123456789012:/restapis/{Api}/stages/prod'}}", badARN + "RESOURCE_ARN"},
		{"no acl", strings.Replace(joined, "{AclArn}", "arn:aws:wafv2:x", 1) + "arn:aws:apigateway:us-east-1::/restapis/{Api}/stages/prod'}}", gone},
		{"domain twice", domain + "DomainName: events.example.com, RegionalCertificateArn: 'arn:aws:acm:us-east-1:1:certificate/1'}}", "The domain name you provided already exists."},
		{"certificate elsewhere", domain + "DomainName: a.example.com, RegionalCertificateArn: 'arn:aws:acm:eu-west-1:1:certificate/1'}}", "Invalid certificate ARN: arn:aws:acm:eu-west-1:1:certificate/1. Certificate must be in 'us-east-1'."},
		{"no certificate", domain + "DomainName: a.example.com}}", "RegionalCertificateArn must be specified"},
		{"mapping of no domain", base + "a.example.com, RestApiId: '{Api}'}}", "Invalid domain name identifier specified"},
		{"mapping to no stage", base + "events.example.com, RestApiId: '{Api}', Stage: test}}", "Invalid stage identifier specified"},
		{"mapping to no api", base + "events.example.com, RestApiId: x}}", "Invalid REST API identifier specified"},
		{"record twice", record + "Name: events.example.com., TTL: 60, ResourceRecords: [1.2.3.4]}}", "[Tried to create resource record set [name='events.example.com.', type='A'] but it already exists]"},
		{"record with two targets", record + "Name: a.example.com, TTL: 60, AliasTarget: {DNSName: '{Target}', HostedZoneId: '{Zone}'}}}", "but found more than one in Change with [Action=CREATE, Name=a.example.com., Type=A"},
		{"record without a target", record + "Name: a.example.com}}", "but found none in Change"},
		{"alias to no domain", record + "Name: a.example.com, AliasTarget: {DNSName: d-x.execute-api.us-east-1.amazonaws.com, HostedZoneId: '{Zone}'}}}", "but that target was not found"},
		{"alias into another zone", record + "Name: a.example.com, AliasTarget: {DNSName: '{Target}', HostedZoneId: Z2}}}", "in zone Z2, but that target was not found"},
		{"flow log of no network", flow + "vpc-1, LogGroupName: /vpc, " + role + "}}", "The vpc ID 'vpc-1' does not exist"},
		{"flow log without a role", flow + "'{Vpc}', LogGroupName: /vpc}}", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."},
		{"flow log without a group", flow + "'{Vpc}', " + role + "}}", "LogDestination can't be empty if LogGroupName is not provided."},
		{"flow log to no group", flow + "'{Vpc}', LogGroupName: /absent, " + role + "}}", "missing log group /absent"},
		{"flow log with no role", flow + "'{Vpc}', LogGroupName: /vpc, DeliverLogsPermissionArn: 'arn:aws:iam::123456789012:role/absent'}}", "missing role arn:aws:iam::123456789012:role/absent"},
		{"flow log twice", strings.Replace(flow, "ALL", "REJECT", 1) + "'{Vpc}', LogGroupName: /vpc, " + role + "}}", "There is an existing Flow Log with the same configuration and log destination."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, f, filled(s, tt.resource)); !strings.Contains(got, filled(s, tt.want)) || (got == "") != (tt.want == "") {
				t.Errorf("reason is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestEdgeInUse deletes resources that another stack still uses.
func TestEdgeInUse(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c, s := created(t, f, "edge", *read(t, "edge.yaml"))
	created(t, f, "front", filled(s, `
Resources:
  Association: {Type: AWS::WAFv2::WebACLAssociation, Properties: {WebACLArn: "{AclArn}", ResourceArn: "arn:aws:apigateway:us-east-1::/restapis/{Api}/stages/prod"}}
  Mapping: {Type: AWS::ApiGateway::BasePathMapping, Properties: {DomainName: events.example.com, RestApiId: "{Api}", Stage: prod}}
`))
	if got := refusal(t, f, filled(s, "{Type: AWS::ApiGateway::BasePathMapping, Properties: {DomainName: events.example.com, RestApiId: '{Api}'}}")); !strings.Contains(got, "Base path already exists for this domain name") {
		t.Errorf("reason is %q", got)
	}
	f.FailDelete("edge/Domain", "not yet") // the mapping is deleted with the domain
	id := remove(t, f, c, "edge", types.StackStatusDeleteFailed)
	for logicalID, want := range map[string]string{
		"Acl":   "your resource is being used by another resource or it’s associated with another resource.",
		"Stage": "Deleting stage prod failed. Please remove all base path mappings related to the stage in your domains: events.example.com",
	} {
		if got := failure(t, c, id, logicalID, types.ResourceStatusDeleteFailed); !strings.Contains(got, want) {
			t.Errorf("%s: reason is %q, want %q", logicalID, got, want)
		}
	}
	remove(t, f, c, "front", types.StackStatusDeleteComplete)
	remove(t, f, c, "edge", types.StackStatusDeleteComplete)
	for _, left := range f.Existing() {
		t.Errorf("left behind: %+v", left)
	}
}
