package fake_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	streamctl "github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// codeKeys returns the keys of the code that putCode stores.
func codeKeys() map[string]string {
	keys := map[string]string{}
	for _, fn := range contract.Functions() {
		keys[fn.Name] = "functions/" + fn.Name + "/0123.zip"
	}
	return keys
}

// putCode stores the functions' code in a bucket.
func putCode(t *testing.T, f *awsfake.Fake, bucket string) {
	t.Helper()
	_ = f.Objects().CreateBucket(bucket) // it exists for a second stack
	for function, key := range codeKeys() {
		if err := f.Objects().Put(bucket, key, []byte(function)); err != nil {
			t.Fatal(err)
		}
	}
}

// codeBucket returns the bucket in which the product's template expects the
// code.
func codeBucket() string { return template.ArtifactBucketName("123456789012", "us-east-1") }

// prepare creates what the product's template needs outside its stack.
func prepare(t *testing.T, f *awsfake.Fake) {
	t.Helper()
	putCode(t, f, codeBucket())
	_ = f.Objects().CreateBucket(everyoption.Replica)
	if err := f.Objects().SetVersioning(everyoption.Replica, "Enabled"); err != nil {
		t.Fatal(err)
	}
}

// putTemplate returns the URL of a template's body.
func putTemplate(t *testing.T, f *awsfake.Fake, name, body string) (url string) {
	t.Helper()
	if err := f.Objects().Put(codeBucket(), name, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return f.Endpoint + "/" + codeBucket() + "/" + name
}

// everything returns the URL of the product's template with every option on.
func everything(t *testing.T, f *awsfake.Fake, domain string) (url string) {
	t.Helper()
	prepare(t, f)
	v, err := streamctl.Load(strings.NewReader(strings.ReplaceAll(everyoption.All(), everyoption.Domain, domain)), "everything.yaml", "production")
	if err != nil {
		t.Fatal(err)
	}
	built, err := template.Build(v, template.Options{CodeKeys: codeKeys()})
	if err != nil {
		t.Fatal(err)
	}
	body, err := built.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return putTemplate(t, f, domain+".yaml", string(body))
}

// migrated handles the migrations in place of their function.
func migrated(context.Context, string, map[string]any) (map[string]any, error) { return nil, nil }

// TestEverything creates two of the product's stacks with every option on side
// by side, and deletes them one after the other.
func TestEverything(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{Answer: migrated})
	c := cloudformation.NewFromConfig(config(f))
	ctx := t.Context()
	names := []string{"first", "second"}
	for _, name := range names {
		_, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
			StackName: aws.String(name), TemplateURL: aws.String(everything(t, f, name+".example.com")),
			Parameters:   []types.Parameter{param("DatabasePassword", "YourSecurePassword123!")},
			Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stacks := map[string]types.Stack{}
	for _, name := range names {
		stacks[name] = settle(t, c, name)
		wantStatus(t, f, c, stacks[name], types.StackStatusCreateComplete)
	}
	if a, b := resources(f, "first"), resources(f, "second"); !slices.Equal(a, b) {
		t.Errorf("the stacks hold %v and %v", a, b)
	}
	for _, kind := range []string{
		"AWS::WAFv2::WebACL", "AWS::WAFv2::LoggingConfiguration", "AWS::WAFv2::WebACLAssociation", "AWS::EC2::FlowLog",
		"AWS::ApiGateway::DomainName", "AWS::ApiGateway::BasePathMapping", "AWS::Route53::RecordSet",
	} {
		if !slices.ContainsFunc(f.Existing(), func(e awsfake.Exists) bool { return e.Type == kind }) {
			t.Errorf("no %s: an option is off", kind)
		}
	}
	whole := resources(f, "second")
	for i, name := range names {
		unprotect(t, f, name)
		if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, f, c, settle(t, c, aws.ToString(stacks[name].StackId)), types.StackStatusDeleteComplete)
		for _, left := range resources(f, name) {
			// The resources that the template retains.
			if !slices.Contains([]string{"AWS::ApiGateway::Account ApiAccount", "AWS::IAM::Role ApiAccountRole", "AWS::KMS::Key Key"}, left) {
				t.Errorf("%s left %s", name, left)
			}
		}
		if n := len(f.Snapshots()); n != i+1 {
			t.Errorf("%d snapshots after %s, want one of the database and none of its replicas", n, name)
		}
		if i == 0 && !slices.Equal(resources(f, "second"), whole) {
			t.Errorf("deleting the first stack changed the second, which has %v", resources(f, "second"))
		}
	}
}

// resources lists the resources of a stack by type and logical id.
func resources(f *awsfake.Fake, stack string) []string {
	var out []string
	for _, e := range f.Existing() {
		if e.StackName == stack && !strings.HasPrefix(e.LogicalID, "ApiDeployment") {
			out = append(out, e.Type+" "+e.LogicalID)
		}
	}
	slices.Sort(out)
	return out
}

// unprotect turns off the database's deletion protection.
func unprotect(t *testing.T, f *awsfake.Fake, stack string) {
	t.Helper()
	id, ok := f.PhysicalID(stack, "Database")
	if !ok {
		t.Fatalf("%s has no database", stack)
	}
	if _, err := rds.NewFromConfig(config(f)).ModifyDBInstance(t.Context(), &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: aws.String(id), DeletionProtection: aws.Bool(false),
	}); err != nil {
		t.Fatal(err)
	}
}
