// Package testkit_test checks what holds for the module as a whole.
package testkit_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
)

const module = artifact.Module + "/"

// TestLayers holds the import directions of CONTRIBUTING.md. A dependency of a
// dependency counts too, which no linter sees.
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
	never(t, "./internal/template", sdk, module+"internal/deploy", module+"internal/cli")
	never(t, "./internal/deploy", module+"internal/template", "github.com/awslabs/goformation", module+"internal/cli")
	never(t, "./internal/config", sdk, module+"internal/template", module+"internal/deploy", module+"internal/cli")
	never(t, "./internal/local", module+"internal/template", module+"internal/deploy", module+"internal/cli", "github.com/awslabs/goformation", "github.com/spf13/cobra")
	never(t, "./internal/dashboard", sdk, module+"internal/cli", module+"internal/local", module+"internal/deploy")
	never(t, "./internal/artifact", module+"internal/deploy", module+"internal/template", module+"internal/cli")
}

// TestTestkitStaysHere keeps the tests' packages out of everything that ships.
func TestTestkitStaysHere(t *testing.T) {
	const kit = module + "internal/testkit"
	for _, edge := range list(t, `{{$p := .ImportPath}}{{range .Imports}}{{$p}}>{{.}} {{end}}`, "./...") {
		importer, imported, _ := strings.Cut(edge, ">")
		if under(imported, kit) && !under(importer, kit) {
			t.Errorf("%s imports %s", importer, imported)
		}
	}
}

// never says that packages don't depend on others, nor on what is below them.
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

// under says that a package is path or lies below it.
func under(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }

// list asks the go command for words about packages, their tests left out.
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
