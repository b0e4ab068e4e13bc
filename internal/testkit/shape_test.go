package testkit_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

const (
	// maxMethods is the maximum number of methods of a type, exported or not.
	maxMethods = 20
	// maxLines is the maximum number of lines of a file that is neither a test
	// nor generated.
	maxLines = 400
)

// largeTypes and largeFiles exceed the limits, each with the reason. An
// unnecessary entry fails the test.
var largeTypes, largeFiles = map[string]string{
	"internal/local/pgserver.cluster":     "a state machine: each method is one step of a PostgreSQL server's life",
	"internal/local/stream.Stream":        "one lock over all shards; half of the methods are Kinesis's API",
	"internal/template.Template":          "a builder: an add method per group of resources",
	"internal/testkit/aws/audit.View":     "read-only questions about one rendered template",
	"internal/testkit/suites/chaos.World": "the chaos suite's whole world; its faults share one state",
	"internal/warehouse.DB":               "one connection pool; functions declare the few methods that each needs",
	"internal/warehouse.load":             "one transaction; its steps share the rejected rows",
}, map[string]string{}

// sized is a name with a count.
type sized struct {
	name string
	n    int
}

// TestShape prints the types with the most methods and the files with the most
// lines, largest first, and fails for those over the limits.
func TestShape(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	methods, lines := map[string]int{}, map[string]int{}
	for _, top := range []string{"cmd", "functions", "internal"} {
		err := fs.WalkDir(os.DirFS(root), top, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return measure(root, path, methods, lines)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check(t, "methods", methods, maxMethods, largeTypes)
	check(t, "lines", lines, maxLines, largeFiles)
}

func check(t *testing.T, unit string, counts map[string]int, limit int, allowed map[string]string) {
	t.Helper()
	all := make([]sized, 0, len(counts))
	for name, n := range counts {
		all = append(all, sized{name, n})
	}
	slices.SortFunc(all, func(a, b sized) int { return cmp.Or(b.n-a.n, cmp.Compare(a.name, b.name)) })
	var text strings.Builder
	for _, s := range all[:min(len(all), 20)] {
		fmt.Fprintf(&text, "%5d %s  %s\n", s.n, unit, s.name)
	}
	t.Logf("largest first:\n%s", text.String())
	for _, s := range all {
		if _, ok := allowed[s.name]; s.n > limit && !ok {
			t.Errorf("%s has %d %s, at most %d are allowed: split it, or list it with a reason", s.name, s.n, unit, limit)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		if counts[name] <= limit {
			t.Errorf("%s has %d %s: remove it from the list", name, counts[name], unit)
		}
	}
}

// measure counts the lines of a file, and the methods of its receivers by
// package folder and type.
func measure(root, path string, methods, lines map[string]int) error {
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	lines[path] = strings.Count(string(text), "\n")
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			continue
		}
		receiver := f.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		switch generic := receiver.(type) {
		case *ast.IndexExpr:
			receiver = generic.X
		case *ast.IndexListExpr:
			receiver = generic.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			methods[filepath.ToSlash(filepath.Dir(path))+"."+name.Name]++
		}
	}
	return nil
}
