package fake_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/deploy/iampolicy"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
	"github.com/streamctl/streamctl/internal/testkit/aws/iamsim"
)

// longName is a stack name of the maximum length: CloudFormation shortens it in names.
const longName = "event-streaming-platform-production-blue"

// deployer is the policy of the printed documents for resources.
func deployer(t *testing.T, resources map[string]string, artifacts string) [][]byte {
	t.Helper()
	documents, err := iampolicy.Documents(iampolicy.Scope{
		Partition: "aws", Account: "123456789012", Region: "us-east-1", Stack: longName, ArtifactBucket: artifacts,
	}, resources)
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// TestDeployerMayUpdate creates a stack, changes each variable, and deletes the stack. A
// simulator of IAM judges the calls of CloudFormation's handlers by the documents that
// `doctor --print-policy` prints before the update.
func TestDeployerMayUpdate(t *testing.T) {
	cases := []change{{variable: "every option", before: everyoption.All(), after: everyoption.All() + "LogRetentionDays: 365\n"}}
	for _, u := range append(cases, updates()...) {
		t.Run(u.variable+"/"+firstLine(u.before)+" to "+firstLine(u.after), func(t *testing.T) {
			t.Parallel()
			if u.refused {
				return
			}
			f := faketest.Start(t, awsfake.Options{Answer: migrated})
			bucket := codeBucket()
			prepare(t, f)
			f.SetAPIGatewayRole("arn:aws:iam::123456789012:role/somebody's")
			if strings.Contains(u.after, "ArtifactBucket") {
				bucket = "our-code"
				putCode(t, f, bucket)
			}
			id, resources := u.lifecycle(t, f)
			verdicts := iamsim.Judge(t, iamsim.Account{Number: "123456789012", Region: "us-east-1"}, deployer(t, resources, bucket), handlerCalls(t, f, id, bucket))
			for _, v := range verdicts {
				if !v.Allowed() && !notCalled(v) {
					t.Errorf("the deploy may not %s", v)
				}
				narrow := strings.HasPrefix(v.Action, "s3:") || strings.HasPrefix(v.Action, "iam:")
				if narrow && slices.ContainsFunc(v.Tried, func(try iamsim.Try) bool { return try.Generated }) {
					t.Errorf("no resource of the stack fits %s", v)
				}
			}
			if len(verdicts) < 100 {
				t.Errorf("only %d calls were judged", len(verdicts))
			}
		})
	}
}

// notCalled reports whether a handler lists an action that IAM doesn't have, and
// therefore can't call.
func notCalled(v iamsim.Verdict) bool { return !v.Exists && strings.HasPrefix(v.Action, "s3:") }

// lifecycle creates the stack, updates and deletes it. It returns the stack's id and the
// resources of both templates.
func (u change) lifecycle(t *testing.T, f *awsfake.Fake) (id string, resources map[string]string) {
	t.Helper()
	c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
	resources = map[string]string{}
	send := func(name, lines string) (url string, parameters []types.Parameter) {
		_, body, parameters := u.rendered(t, lines)
		byID, err := stacktemplate.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(resources, stacktemplate.Types(byID))
		return putTemplate(t, f, name, body), parameters
	}
	url, parameters := send("before.yaml", u.before)
	named := []types.Capability{types.CapabilityCapabilityNamedIam}
	created, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String(longName), TemplateURL: &url, Parameters: parameters, Capabilities: named})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, longName), types.StackStatusCreateComplete)
	url, parameters = send("after.yaml", u.after)
	if _, err := c.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: aws.String(longName), TemplateURL: &url, Parameters: parameters, Capabilities: named}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, longName), types.StackStatusUpdateComplete)
	unprotect(t, f, longName)
	if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String(longName)}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, aws.ToString(created.StackId)), types.StackStatusDeleteComplete)
	return aws.ToString(created.StackId), resources
}

// handlerCalls returns the calls of the handlers that the stack's events report: all
// actions that the registry lists for the handler, on the names of the stack's resources.
func handlerCalls(t *testing.T, f *awsfake.Fake, id, bucket string) []iamsim.Request {
	t.Helper()
	schemas, err := cfnregistry.Types()
	if err != nil {
		t.Fatal(err)
	}
	c := cloudformation.NewFromConfig(config(f))
	ran := map[string]map[string]bool{} // handlers by type
	names := map[string][]string{}      // ARNs by type
	for _, e := range events(t, c, id) {
		kind, physical := aws.ToString(e.ResourceType), aws.ToString(e.PhysicalResourceId)
		if kind == "AWS::CloudFormation::Stack" {
			continue
		}
		if ran[kind] == nil {
			ran[kind] = map[string]bool{"read": true}
		}
		switch {
		case physical == "":
		case kind == "AWS::IAM::Role":
			names[kind] = append(names[kind], "arn:aws:iam::123456789012:role/"+physical)
		case kind == "AWS::S3::Bucket", kind == "AWS::S3::BucketPolicy":
			names[kind] = append(names[kind], "arn:aws:s3:::"+physical, "arn:aws:s3:::"+physical+"/key")
		case kind == "AWS::IAM::ManagedPolicy":
			names[kind] = append(names[kind], physical)
		}
		verb, _, _ := strings.Cut(string(e.ResourceStatus), "_")
		ran[kind][strings.ToLower(verb)] = true
		if verb == "UPDATE" {
			ran[kind]["create"] = true // of a replacement
		}
	}
	for kind := range names {
		slices.Sort(names[kind])
		names[kind] = slices.Compact(names[kind])
	}
	var out []iamsim.Request
	for _, kind := range slices.Sorted(maps.Keys(ran)) {
		actions := slices.Clone(schemas[kind].Tagging.Permissions)
		for handler := range ran[kind] {
			actions = append(actions, schemas[kind].Handlers[handler]...)
		}
		slices.Sort(actions)
		for _, action := range slices.Compact(actions) {
			if iampolicy.Unneeded(kind, action) {
				continue
			}
			r := iamsim.Request{Action: action, From: kind}
			switch service, _, _ := strings.Cut(action, ":"); {
			case action == "iam:PassRole":
				r.Context = map[string]string{"iam:PassedToService": passedTo()[kind]}
				if passedTo()[kind] == "" {
					continue // resources of this type pass no role
				}
				r.Resources = names["AWS::IAM::Role"]
			case action == "iam:CreateServiceLinkedRole", action == "iam:PutRolePolicy" && kind == "AWS::ElastiCache::ParameterGroup":
				service := linkedRole(kind)
				r.Context = map[string]string{"iam:AWSServiceName": service}
				r.Resources = []string{"arn:aws:iam::123456789012:role/aws-service-role/" + service + "/AWSServiceRoleForIt"}
			case service == "iam":
				r.Resources = append(slices.Clone(names["AWS::IAM::Role"]), names["AWS::IAM::ManagedPolicy"]...)
			case service == "s3" && kind == "AWS::Lambda::Function":
				r.Resources = []string{"arn:aws:s3:::" + bucket + "/functions/ingest/0123.zip"}
			case service == "s3" || service == "S3":
				r.Resources = names[kind]
			}
			out = append(out, r)
		}
	}
	return out
}

// passedTo returns the service to which a type's property passes a role of the stack.
func passedTo() map[string]string {
	return map[string]string{
		"AWS::Lambda::Function": "lambda.amazonaws.com", "AWS::ApiGateway::Account": "apigateway.amazonaws.com", "AWS::EC2::FlowLog": "vpc-flow-logs.amazonaws.com",
		"AWS::S3::Bucket": "s3.amazonaws.com",
	}
}

// linkedRole returns the service whose service-linked role a type needs.
func linkedRole(kind string) string {
	switch strings.Split(kind, "::")[1] {
	case "RDS":
		return "rds.amazonaws.com"
	case "ElastiCache":
		return "elasticache.amazonaws.com"
	case "WAFv2":
		return "wafv2.amazonaws.com"
	}
	return "delivery.logs.amazonaws.com"
}

// TestSimulatorDenies checks that the simulator finds missing permissions: another
// region, stack, bucket and service, and a document less.
func TestSimulatorDenies(t *testing.T) {
	documents := deployer(t, map[string]string{"Role": "AWS::IAM::Role", "Topic": "AWS::SNS::Topic", "Function": "AWS::Lambda::Function"}, "code")
	role := "arn:aws:iam::123456789012:role/" + longName[:len(longName)-1] + "-Role-ABC"
	for _, c := range []struct {
		allowed bool
		request iamsim.Request
		region  string
	}{
		{true, iamsim.Request{Action: "sns:CreateTopic"}, "us-east-1"},
		{false, iamsim.Request{Action: "sns:CreateTopic"}, "eu-west-1"},
		{false, iamsim.Request{Action: "sqs:CreateQueue"}, "us-east-1"},
		{false, iamsim.Request{Action: "sns:NoSuchAction"}, "us-east-1"},
		{true, iamsim.Request{Action: "iam:CreateRole", Resources: []string{"arn:aws:iam::123456789012:role/" + longName + "-Role-ABC"}}, "us-east-1"},
		{false, iamsim.Request{Action: "iam:CreateRole", Resources: []string{"arn:aws:iam::123456789012:role/another-Role-ABC"}}, "us-east-1"},
		{false, iamsim.Request{Action: "iam:CreateRole", Resources: []string{role}}, "us-east-1"},
		{true, iamsim.Request{Action: "iam:GetRole", Resources: []string{"arn:aws:iam::123456789012:role/another"}}, "us-east-1"},
		{true, iamsim.Request{Action: "s3:PutObject", Resources: []string{"arn:aws:s3:::code/key"}}, "us-east-1"},
		{false, iamsim.Request{Action: "s3:PutObject", Resources: []string{"arn:aws:s3:::codes/key"}}, "us-east-1"},
		{false, iamsim.Request{Action: "iam:PassRole", Resources: []string{"arn:aws:iam::123456789012:role/" + longName + "-Role-ABC"}, Context: map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}}, "us-east-1"},
		{true, iamsim.Request{Action: "iam:PassRole", Resources: []string{"arn:aws:iam::123456789012:role/" + longName + "-Role-ABC"}, Context: map[string]string{"iam:PassedToService": "lambda.amazonaws.com"}}, "us-east-1"},
	} {
		v := iamsim.Judge(t, iamsim.Account{Number: "123456789012", Region: c.region}, documents, []iamsim.Request{c.request})[0]
		if v.Allowed() != c.allowed {
			t.Errorf("allowed is %t in %s: %s", v.Allowed(), c.region, fmt.Sprint(v))
		}
	}
}
