package audit_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/audit"
)

var environments = []string{config.Production, config.Staging, config.Development}

const root = "../../../.."

// rendered returns an environment's template as JSON.
func rendered(t testing.TB, v config.Variables) string {
	t.Helper()
	keys := map[string]string{}
	for _, f := range contract.Functions() {
		keys[f.Name] = "functions/" + f.Name + "/" + strings.Repeat("0", 32) + ".zip"
	}
	built, err := template.Build(v, template.Options{CodeKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	body, err := built.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// options describe a stack of the template, with a recognizable password.
func options(t testing.TB, name string) audit.Options {
	return audit.Options{StackName: name, OwnMetrics: ownMetrics(t), Values: map[string]string{"DatabasePassword": "the-only-secret-there-is"}}
}

func look(t testing.TB, body string, o audit.Options) *audit.View {
	t.Helper()
	v, err := audit.New(body, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ownMetrics returns the metrics that the functions' code writes: those
// declared in package contract and used by a function.
func ownMetrics(t testing.TB) []string {
	t.Helper()
	values := map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/contract/settings.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Names) == 1 && len(spec.Values) == 1 && strings.HasPrefix(spec.Names[0].Name, "Metric") {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				values["contract."+spec.Names[0].Name] = text
			}
		}
		return true
	})
	code := source(t)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.Contains(code, name) {
			out = append(out, values[name])
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %v are used", out)
	}
	return out
}

// source returns the code of the functions and of what runs them, without tests.
func source(t testing.TB) string {
	t.Helper()
	var out strings.Builder
	for _, folder := range []string{"functions", "internal/lambdarun", "internal/invocation"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			out.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestEveryInvocationIsTimed requires that each function reports when it comes
// close to its timeout, except schema, which runs in a deploy.
func TestEveryInvocationIsTimed(t *testing.T) {
	for _, f := range contract.Functions() {
		text, err := os.ReadFile(filepath.Join(root, "functions", f.Name, "bootstrap", "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if timed := strings.Contains(string(text), "invocation.Timed("); timed != (f.Name != contract.FuncSchema) {
			t.Errorf("%s: timed is %t", f.Name, timed)
		}
	}
}

// subject is a rendered template that must pass.
type subject struct {
	name, body string
	defaults   bool
}

// subjects are the environments with defaults, and with every option on.
func subjects(t testing.TB) []subject {
	t.Helper()
	var out []subject
	for _, environment := range environments {
		out = append(out, subject{environment, rendered(t, config.Default(environment)), true})
		out = append(out, subject{environment + " with every option", rendered(t, everything(t, environment)), false})
	}
	return out
}

// longest returns options with the longest names and the smallest networks.
func longest(o audit.Options) audit.Options {
	o.StackName = "A" + strings.Repeat("b", 39)
	o.Values = maps.Clone(o.Values)
	o.Values["ProjectName"], o.Values["VpcCidr"] = strings.Repeat("p", 64), "192.168.7.0/24"
	return o
}

// TestPasses runs every check on every template, with a short name and with the
// longest allowed name.
func TestPasses(t *testing.T) {
	for _, s := range subjects(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, "events")
			o.Defaults = s.defaults
			report(t, audit.Run(look(t, s.body, o)))
			report(t, audit.Run(look(t, s.body, longest(o))))
		})
	}
}

// TestPartitions evaluates stacks in China and in GovCloud, where ARNs, hosts
// and one principal differ.
func TestPartitions(t *testing.T) {
	for _, region := range []string{"cn-north-1", "us-gov-west-1"} {
		v, all := config.Default(config.Production), everything(t, config.Production)
		v.Region, v.S3PrefixListId = region, "pl-0123abcd"
		all.Region, all.S3PrefixListId = region, "pl-0123abcd"
		all.DomainName, all.DomainCertificateArn, all.DomainHostedZoneId = "", "", "" // a certificate belongs to one region
		body := rendered(t, v)
		if strings.Contains(body, "arn:aws:") {
			t.Errorf("%s: an ARN of another partition", region)
		}
		o := options(t, "events")
		o.Region = region
		report(t, audit.Run(look(t, body, o)))
		report(t, audit.Run(look(t, rendered(t, all), o)))
	}
}

// open lists known problems that are not solved yet, by the beginning of their
// text. Remove a line when its problem is solved.
func open() []string { return nil }

func report(t *testing.T, problems map[string][]audit.Problem) {
	t.Helper()
	for _, check := range slices.Sorted(maps.Keys(problems)) {
		for _, p := range problems[check] {
			if slices.ContainsFunc(open(), func(known string) bool { return strings.HasPrefix(p.String(), known) }) {
				t.Logf("open: %s: %s", check, p)
				continue
			}
			t.Errorf("%s: %s", check, p)
		}
	}
}

// TestOpen checks that every open problem still exists.
func TestOpen(t *testing.T) {
	var all []string
	for _, problems := range audit.Run(look(t, rendered(t, everything(t, config.Production)), longest(options(t, "events")))) {
		for _, p := range problems {
			all = append(all, p.String())
		}
	}
	for _, known := range open() {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, known) }) {
			t.Errorf("%q is solved: remove its line", known)
		}
	}
}

func decode(t testing.TB, body string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
