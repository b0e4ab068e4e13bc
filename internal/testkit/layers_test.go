// Package testkit_test checks rules for the whole module.
package testkit_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
)

const module = artifact.Module + "/"

// TestLayers checks the import directions of CONTRIBUTING.md, including
// indirect dependencies, which linters don't see.
func TestLayers(t *testing.T) {
	tool := []string{
		module + "internal/cli", module + "internal/config", module + "internal/template", module + "internal/deploy", module + "internal/local",
		"github.com/awslabs/goformation", "github.com/spf13/cobra",
	}
	const sdk = "github.com/aws/aws-sdk-go-v2"
	for _, f := range contract.Functions() {
		banned := tool
		for _, other := range contract.Functions() {
			if other.Name != f.Name {
				banned = append(slices.Clip(banned), module+"functions/"+other.Name)
			}
		}
		never(t, "./functions/"+f.Name+"/...", append(slices.Clip(banned), sdk+"/config")...) // files, profiles, sign-in
	}
	never(t, "./internal/template", sdk, module+"internal/deploy", module+"internal/cli", module+"internal/local")
	never(t, "./internal/deploy/...", module+"internal/template", module+"internal/cli", module+"internal/config", module+"internal/local", "github.com/awslabs/goformation", "github.com/spf13/cobra")
	never(t, "./internal/config", sdk, module+"internal/template", module+"internal/deploy", module+"internal/cli")
	never(t, "./internal/local", module+"internal/template", module+"internal/deploy", module+"internal/cli", "github.com/awslabs/goformation", "github.com/spf13/cobra")
	never(t, "./internal/dashboard", sdk, module+"internal/cli", module+"internal/local", module+"internal/deploy")
	never(t, "./internal/artifact", module+"internal/deploy", module+"internal/template", module+"internal/cli")
	never(t, "./internal/api", sdk) // the template and the dashboard import this package
	never(t, "./internal/send", sdk, module+"internal/cli", module+"internal/deploy", module+"internal/local", module+"functions")
}

// TestLeaves checks the packages below all others: they import only the listed
// packages of this module.
func TestLeaves(t *testing.T) {
	for pkg, allowed := range map[string][]string{
		"alert":    {"metric"},
		"api":      {"event", "failure", "pattern"},
		"awshttp":  {"pause"},
		"contract": {}, // environments and settings
		"decimal":  {},
		"ec2":      {"awshttp"},
		"emf":      {"contract"},
		"event":    {"pattern"},
		"failure":  {},
		"insight":  {"api", "decimal", "event", "metric", "sequence"},
		"metric":   {"decimal", "event", "pattern"},
		"nearest":  {},
		"pattern":  {},
		"pause":    {},
		"segment":  {"event", "pattern"},
		"sequence": {"decimal"},
		// One parser of a stack's template body, for deploy and cli.
		"stacktemplate": {},
	} {
		for _, imported := range list(t, `{{range .Imports}}{{.}} {{end}}`, "./internal/"+pkg) {
			if name, ours := strings.CutPrefix(imported, module+"internal/"); under(imported, strings.TrimSuffix(module, "/")) && (!ours || !slices.Contains(allowed, name)) {
				t.Errorf("internal/%s imports %s", pkg, imported)
			}
		}
	}
}

// TestDeployPackages checks that the packages below deploy import neither deploy nor
// each other. All these packages may import stack.
func TestDeployPackages(t *testing.T) {
	const deploy, stack = module + "internal/deploy", module + "internal/deploy/stack"
	imported := map[string]bool{}
	for _, edge := range list(t, `{{$p := .ImportPath}}{{range .Imports}}{{$p}}>{{.}} {{end}}`, "./internal/deploy/...") {
		importer, dep, _ := strings.Cut(edge, ">")
		imported[dep] = true
		if importer != deploy && under(dep, deploy) && dep != stack {
			t.Errorf("%s imports %s", importer, dep)
		}
	}
	for _, pkg := range []string{"stack", "pipeline", "bucket", "code", "database", "leftovers"} {
		if !imported[deploy+"/"+pkg] {
			t.Errorf("nothing in deploy imports %s/%s: update this test if the package moved", deploy, pkg)
		}
	}
}

// TestFunctionImports checks that a function imports only contracts and stores,
// and that its bootstrap adds only lambdarun and sqlrun.
func TestFunctionImports(t *testing.T) {
	handler := []string{"alert", "analyze", "api", "archive", "awshttp", "cache", "chunk", "contract", "decimal", "emf", "event", "insight", "invocation", "metric", "nearest", "pattern", "pause", "segment", "sequence", "warehouse"}
	bootstrap := append(slices.Clone(handler), "lambdarun", "sqlrun")
	for _, f := range contract.Functions() {
		folder := module + "functions/" + f.Name
		for _, edge := range list(t, `{{$p := .ImportPath}}{{range .Imports}}{{$p}}>{{.}} {{end}}`, "./functions/"+f.Name+"/...") {
			importer, imported, _ := strings.Cut(edge, ">")
			allowed := handler
			if importer == folder+"/bootstrap" {
				allowed = bootstrap
			}
			name, ours := strings.CutPrefix(imported, module+"internal/")
			if ours && !slices.Contains(allowed, name) || importer == folder && under(imported, module+"functions") {
				t.Errorf("%s imports %s", importer, imported)
			}
		}
	}
}

// TestHandlersHaveOneConstructor checks that only New of its package creates a
// handler: other packages have no composite literal.
func TestHandlersHaveOneConstructor(t *testing.T) {
	for _, f := range contract.Functions() {
		for path, text := range sources(t) {
			if strings.Contains(text, f.Name+".Handler"+"{") {
				t.Errorf("%s creates a %s.Handler without New", path, f.Name)
			}
		}
	}
}

// TestSharedCodeIsListed checks that docs/awsfake.md lists each package of the
// product that the AWS stand-in uses and therefore can't verify.
func TestSharedCodeIsListed(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "awsfake.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## What it cannot judge")
	section, _, _ = strings.Cut(section, "\n## ")
	if !ok {
		t.Fatal("docs/awsfake.md has no section \"What it cannot judge\"")
	}
	for _, imported := range list(t, `{{range .Imports}}{{.}} {{end}}`, "./internal/testkit/aws/fake/...", "./internal/testkit/servers/pgiam", "./internal/testkit/servers/cacheiam") {
		name, ours := strings.CutPrefix(imported, module)
		if ours && !strings.HasPrefix(name, "internal/testkit/") && !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/awsfake.md does not list %s", name)
		}
	}
}

// TestTestkitStaysHere checks that released packages don't import the testkit.
func TestTestkitStaysHere(t *testing.T) {
	const kit = module + "internal/testkit"
	for _, edge := range list(t, `{{$p := .ImportPath}}{{range .Imports}}{{$p}}>{{.}} {{end}}`, "./...") {
		importer, imported, _ := strings.Cut(edge, ">")
		if under(imported, kit) && !under(importer, kit) {
			t.Errorf("%s imports %s", importer, imported)
		}
	}
}

// never fails the test for each package of the pattern that depends on a banned
// package or on one below it.
func never(t *testing.T, pattern string, banned ...string) {
	t.Helper()
	for _, dep := range list(t, "{{.ImportPath}}", "-deps", pattern) {
		for _, bad := range banned {
			if under(dep, bad) {
				t.Errorf("%s depends on %s", pattern, dep)
			}
		}
	}
}

// under reports whether a package is path or below it.
func under(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }

// list runs `go list` with a format and returns its words. Tests are ignored.
func list(t *testing.T, format string, args ...string) []string {
	t.Helper()
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

// sources returns the text of every Go file of the module, including tests, by
// path.
func sources(t *testing.T) map[string]string {
	t.Helper()
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, top := range []string{"cmd", "functions", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			text, err := os.ReadFile(path)
			all[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
