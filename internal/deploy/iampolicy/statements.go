package iampolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type policyStatement struct {
	Sid       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Action    []string       `json:"Action"`
	Resource  []string       `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// regional are the services whose resources get their names from AWS: their statements
// are limited to the region. The value is the statement's id.
var regional = map[string]string{
	"apigateway": "ApiGateway", "cloudwatch": "CloudWatch", "ec2": "Ec2", "elasticache": "ElastiCache", "events": "EventBridge", "kinesis": "Kinesis",
	"kms": "Kms", "lambda": "Lambda", "logs": "Logs", "rds": "Rds", "sns": "Sns", "wafv2": "Waf",
}

// accountWide are actions that accept no narrower resource than the account, or whose
// resource is not known before the deploy.
var accountWide = []string{"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "cloudformation:ValidateTemplate",
	"cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:BatchDescribeTypeConfigurations"}

// simulate reads the effect of an identity's policies.
const simulate = "iam:SimulatePrincipalPolicy"

// statements returns the statements that allow the actions. An action that no statement
// covers is an error.
func (s Scope) statements(actions map[string]bool, resources map[string]string) ([]policyStatement, error) {
	byService := map[string][]string{}
	for _, a := range slices.Sorted(maps.Keys(actions)) {
		if service, _, _ := strings.Cut(a, ":"); !slices.Contains(accountWide, a) || service == "cloudformation" {
			byService[service] = append(byService[service], a)
		}
	}
	roles, policies := s.names("role/", typeRole, resources), s.names("policy/", typeManagedPolicy, resources)
	out := []policyStatement{
		s.statement("Identity", accountWide, "*"),
		s.statement("Stack", without(byService["cloudformation"], "cloudformation:ValidateTemplate", "cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:BatchDescribeTypeConfigurations"),
			s.arn("cloudformation", s.Region, s.Account, "stack/"+s.Stack+"/*"), s.arn("cloudformation", s.Region, s.Account, "changeSet/streamctl-*")),
		s.statement("Buckets", byService["s3"], append([]string{s.arn("s3", "", "", s.ArtifactBucket), s.arn("s3", "", "", s.ArtifactBucket+"/*")}, s.buckets(resources)...)...),
		s.statement("Roles", without(byService["iam"], "iam:PassRole", "iam:CreateServiceLinkedRole", simulate), append(slices.Clone(roles), policies...)...),
		// API Gateway's logging role may be another team's: reading it decides whether it exists.
		s.statement("AccountRole", []string{"iam:GetRole"}, s.arn("iam", "", s.Account, "role/*")),
	}
	if actions[simulate] { // any role or user may be the caller
		out = append(out, s.statement("OwnPermissions", []string{simulate}, s.arn("iam", "", s.Account, "role/*"), s.arn("iam", "", s.Account, "user/*")))
	}
	if actions["iam:PassRole"] {
		pass := s.statement("PassRoles", []string{"iam:PassRole"}, roles...)
		pass.Condition = map[string]any{"StringEquals": map[string]any{
			"iam:PassedToService": []string{"lambda.amazonaws.com", "apigateway.amazonaws.com", "s3.amazonaws.com", "rds.amazonaws.com", "vpc-flow-logs.amazonaws.com", "monitoring.rds.amazonaws.com"},
		}}
		out = append(out, pass)
	}
	linked := s.statement("ServiceLinkedRoles", []string{"iam:CreateServiceLinkedRole"}, s.arn("iam", "", s.Account, "role/aws-service-role/*"))
	linked.Condition = map[string]any{"StringLike": map[string]any{
		"iam:AWSServiceName": []string{"rds.amazonaws.com", "elasticache.amazonaws.com", "ops.apigateway.amazonaws.com", "wafv2.amazonaws.com", "delivery.logs.amazonaws.com"},
	}}
	// ElastiCache asks for this action on its service-linked role, which only it can change.
	out = append(out, linked, s.statement("ServiceLinkedRolePolicies", []string{"iam:PutRolePolicy"}, s.arn("iam", "", s.Account, "role/aws-service-role/elasticache.amazonaws.com/*")))
	if s.Secret != "" {
		// The key of SecureString, aws/ssm, is open to the callers of Systems Manager.
		look := s.statement("Parameters", []string{"ssm:DescribeParameters"}, "*")
		look.Condition = map[string]any{"StringEquals": map[string]any{"aws:RequestedRegion": s.Region}}
		out = append(out, look, s.statement("Secret", []string{"ssm:PutParameter"}, s.arn("ssm", s.Region, s.Account, "parameter"+s.Secret)))
	}
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		switch id, ok := regional[service]; {
		case ok:
			in := s.statement(id, byService[service], "*")
			in.Condition = map[string]any{"StringEquals": map[string]any{"aws:RequestedRegion": s.Region}}
			out = append(out, in)
		case service == "route53":
			out = append(out, s.statement("Names", byService[service], s.arn("route53", "", "", "hostedzone/*"), s.arn("route53", "", "", "change/*")))
		case !slices.Contains([]string{"cloudformation", "iam", "s3"}, service):
			return nil, fmt.Errorf("action %s is unknown: no statement covers its service", byService[service][0])
		}
	}
	return out, nil
}

func (s Scope) statement(sid string, actions []string, resources ...string) policyStatement {
	return policyStatement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

func (s Scope) arn(service, region, account, resource string) string {
	return "arn:" + s.Partition + ":" + service + ":" + region + ":" + account + ":" + resource
}

func without(actions []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return slices.Contains(some, a) })
}
