package template_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/golden"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

var environments = []string{config.Production, config.Staging, config.Development}

// codeKeys have the length of real keys.
func codeKeys() map[string]string {
	keys := map[string]string{}
	for _, f := range contract.Functions() {
		keys[f.Name] = "functions/" + f.Name + "/" + strings.Repeat("0", 32) + ".zip"
	}
	return keys
}

func build(t *testing.T, v config.Variables) *template.Template {
	t.Helper()
	built, err := template.Build(v, template.Options{CodeKeys: codeKeys()})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func render(t *testing.T, v config.Variables) []byte {
	t.Helper()
	body, err := build(t, v).YAML()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func golden1(environment string) string {
	return filepath.Join("..", "..", "testdata", "golden", environment+".yaml")
}

func TestGolden(t *testing.T) {
	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) {
			golden.Equal(t, golden1(environment), render(t, config.Default(environment)))
		})
	}
}

func TestSameBytes(t *testing.T) {
	for _, environment := range environments {
		first := render(t, config.Default(environment))
		for range 10 {
			if !bytes.Equal(first, render(t, config.Default(environment))) {
				t.Fatalf("%s: two renders differ", environment)
			}
		}
	}
}

// TestBody checks that each environment's defaults fit into a request, and prints the
// size of each part.
func TestBody(t *testing.T) {
	for _, environment := range environments {
		built := build(t, config.Default(environment))
		body, err := built.YAML()
		if err != nil {
			t.Fatal(err)
		}
		groups, err := built.GroupBytes()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d bytes", environment, len(body), template.MaxBodyBytes)
		for _, g := range slices.Sorted(maps.Keys(groups)) {
			t.Logf("  %-14s %6d", g, groups[g])
		}
		if len(body) >= template.MaxBodyBytes {
			t.Errorf("%s: %d bytes, want less than %d", environment, len(body), template.MaxBodyBytes)
		}
	}
}

// TestLint runs cfn-lint on the templates in every region, some of which lack a type or
// a size; the database's Metadata lists the ignored rules.
func TestLint(t *testing.T) {
	lint := must.Have(t, "cfn-lint", "pip install cfn-lint")
	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) {
			t.Parallel()
			args := slices.Concat([]string{"-e", "-x", "E3012:strict=true", "-f", "parseable", "-r"}, allRegions(t), []string{"-t", golden1(environment)})
			out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput()
			if err != nil {
				t.Errorf("cfn-lint: %v\n%s", err, out)
			}
		})
	}
}

// allRegions are the regions of China and GovCloud, and all with a certificate
// authority for the databases. They include the regions that need no S3PrefixListId.
func allRegions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../awshttp/roots/rds.pem")
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"}
	known := 0
	for _, root := range regexp.MustCompile("# Amazon RDS ([a-z0-9-]+) Root CA RSA2048 G1").FindAllSubmatch(text, -1) {
		region := string(root[1])
		if !awshttp.HasRootsOf(region) {
			t.Errorf("%s: not covered", region)
		}
		if template.KnownRegion(region) {
			known++
		}
		out = append(out, region)
	}
	if len(out) < 20 || known != 17 {
		t.Fatalf("%d regions, %d with their prefix list", len(out), known)
	}
	return out
}

// TestIgnored allows only the two ignored rules that have a reason.
func TestIgnored(t *testing.T) {
	for _, environment := range environments {
		text := string(render(t, config.Default(environment)))
		if n := strings.Count(text, "ignore_checks"); n != 1 || !strings.Contains(text, "ignore_checks: [W1011,W3691]") {
			t.Errorf("%s: %d lists of ignored rules", environment, n)
		}
	}
}

// TestFormats compares YAML and JSON as trees.
func TestFormats(t *testing.T) {
	for _, environment := range environments {
		built := build(t, config.Default(environment))
		asJSON, err := built.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(asJSON, &tree); err != nil {
			t.Fatalf("%s: %v", environment, err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(render(t, config.Default(environment)), &doc); err != nil {
			t.Fatalf("%s: %v", environment, err)
		}
		fromJSON, fromYAML := tree["Resources"].(map[string]any), resourceNames(&doc)
		if len(fromJSON) != len(fromYAML) {
			t.Errorf("%s: %d resources in JSON, %d in YAML", environment, len(fromJSON), len(fromYAML))
		}
		if strings.Contains(string(asJSON), "\uE000") {
			t.Errorf("%s: an intrinsic was not rendered", environment)
		}
	}
}

func resourceNames(doc *yaml.Node) []string {
	root := doc.Content[0].Content
	for i := 0; i < len(root); i += 2 {
		if root[i].Value == "Resources" {
			var names []string
			for j := 0; j < len(root[i+1].Content); j += 2 {
				names = append(names, root[i+1].Content[j].Value)
			}
			return names
		}
	}
	return nil
}

func TestPasswordStaysOut(t *testing.T) {
	v := config.Default(config.Production)
	v.DatabasePassword = "YourSecurePassword123!"
	if body := render(t, v); bytes.Contains(body, []byte(v.DatabasePassword)) {
		t.Error("the template holds the password")
	}
}

func TestCodeKeys(t *testing.T) {
	built, err := template.Build(config.Default(config.Production), template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range contract.Functions() {
		if p := built.Parameters[template.CodeKeyParameter(f.Name)]; p.Default != nil {
			t.Errorf("%s: a default without a package: %s", f.Name, *p.Default)
		}
	}
}

// TestDeploymentFollowsTheAPI changes something outside and something inside the API:
// only the second gives a new deployment.
func TestDeploymentFollowsTheAPI(t *testing.T) {
	deployment := func(v config.Variables) string {
		for _, g := range build(t, v).Groups {
			for _, id := range g.Resources {
				if strings.HasPrefix(id, "ApiDeployment") {
					return id
				}
			}
		}
		t.Fatal("no deployment")
		return ""
	}
	v := config.Default(config.Production)
	before := deployment(v)
	v.LogRetentionDays, v.ThrottleRate, v.ShardCount = 365, 7, 3
	if after := deployment(v); after != before {
		t.Errorf("a change outside the API made deployment %s of %s", after, before)
	}
}

// TestVersionFollowsTheFunction changes values inside and outside a version's content:
// only the first publish a new version.
func TestVersionFollowsTheFunction(t *testing.T) {
	version := func(change func(*config.Variables, map[string]string)) string {
		v, keys := config.Default(config.Production), codeKeys()
		v.Functions.Query.ProvisionedConcurrency = 1
		change(&v, keys)
		built, err := template.Build(v, template.Options{CodeKeys: keys})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range built.Groups {
			for _, id := range g.Resources {
				if strings.HasPrefix(id, "QueryVersion") {
					return id
				}
			}
		}
		t.Fatal("no version")
		return ""
	}
	before := version(func(*config.Variables, map[string]string) {})
	for _, tt := range []struct {
		name    string
		another bool
		change  func(*config.Variables, map[string]string)
	}{
		{"its code", true, func(_ *config.Variables, keys map[string]string) { keys[contract.FuncQuery] = "functions/query/1.zip" }},
		{"its memory", true, func(v *config.Variables, _ map[string]string) { v.Functions.Query.MemorySize = 1024 }},
		{"its environment", true, func(v *config.Variables, _ map[string]string) { v.CorsAllowedOrigins = []string{"*"} }},
		{"what its environment names", true, func(v *config.Variables, _ map[string]string) { v.CacheNodeType = "cache.m7g.large" }},
		{"another function's code", false, func(_ *config.Variables, keys map[string]string) {
			keys[contract.FuncIngest] = "functions/ingest/1.zip"
		}},
		{"how many are ready", false, func(v *config.Variables, _ map[string]string) { v.Functions.Query.ProvisionedConcurrency = 9 }},
		{"its log's retention", false, func(v *config.Variables, _ map[string]string) { v.LogRetentionDays = 365 }},
	} {
		if after := version(tt.change); (after != before) != tt.another {
			t.Errorf("%s: %s after %s", tt.name, after, before)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name       string
		change     func(*config.Variables)
		want, lack string
	}{
		{"three zones", func(v *config.Variables) { v.AvailabilityZones = 3 }, "PrivateSubnetC:", ""},
		{"two zones", func(*config.Variables) {}, "PrivateSubnetB:", "PrivateSubnetC:"},
		{"on demand", func(v *config.Variables) { v.StreamMode, v.ShardCount = config.StreamOnDemand, 0 }, "StreamMode: ON_DEMAND", "ShardCount"},
		{"email", func(v *config.Variables) { v.AlarmEmail = "oncall@example.com" }, "AlarmEmailSubscription:", ""},
		{"no email", func(*config.Variables) {}, "AlarmTopic:", "AlarmEmailSubscription:"},
		{"account role", func(*config.Variables) {}, "AWS::ApiGateway::Account", ""},
		{"existing account role", func(v *config.Variables) { v.ApiGatewayAccountRole = config.AccountRoleExisting }, "ApiStage:", "AWS::ApiGateway::Account"},
		{"prefix list", func(v *config.Variables) { v.S3PrefixListId = "pl-0123abcd" }, "DestinationPrefixListId: pl-0123abcd", "Mappings:"},
		{"bucket", func(v *config.Variables) { v.ArtifactBucket = "our-code" }, "S3Bucket: our-code", "streamctl-artifacts-"},
		{"one cache node", func(v *config.Variables) { v.CacheNodes = 1 }, "AutomaticFailoverEnabled: false", "${Cache}-002"},
		{"two cache nodes", func(*config.Variables) {}, "${Cache}-002", "AutomaticFailoverEnabled: false"},
		{"storage that stays", func(v *config.Variables) { v.DatabaseMaxStorageGiB = 0 }, "AllocatedStorage:", "MaxAllocatedStorage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := config.Default(config.Production)
			tt.change(&v)
			text := string(render(t, v))
			if !strings.Contains(text, tt.want) {
				t.Errorf("%q is missing", tt.want)
			}
			if tt.lack != "" && strings.Contains(text, tt.lack) {
				t.Errorf("%q is there", tt.lack)
			}
		})
	}
}
