package audit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/audit"
)

// tests lists the names of all tests of the module.
func tests(t *testing.T) []string {
	t.Helper()
	var out []string
	name := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(text, -1) {
			out = append(out, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTraps checks that the files, tests and checks in the list of traps exist,
// and that every check has a trap.
func TestTraps(t *testing.T) {
	text := document(t, "pitfalls.md")
	names := tests(t)
	for _, m := range regexp.MustCompile("`([A-Za-z0-9_./-]+)`").FindAllStringSubmatch(text, -1) {
		switch what := m[1]; {
		case strings.HasPrefix(what, "Test"):
			if !slices.Contains(names, what) {
				t.Errorf("test %s does not exist", what)
			}
		case strings.HasPrefix(what, "internal/") || strings.HasPrefix(what, "functions/") || strings.HasPrefix(what, "docs/"):
			if _, err := os.Stat(filepath.Join(root, what)); err != nil {
				t.Error(err)
			}
		case strings.HasSuffix(what, ".go"):
			if _, err := os.Stat(filepath.Join(root, "internal/template", what)); err != nil {
				t.Error(err)
			}
		}
	}
	mentioned := map[string]bool{}
	for _, m := range regexp.MustCompile(`[^*]\*([a-zA-Z][^*|\n]+)\*`).FindAllStringSubmatch(text, -1) {
		mentioned[m[1]] = true
	}
	for _, c := range audit.Checks() {
		if !mentioned[c.Name] {
			t.Errorf("the check %q has no trap", c.Name)
		}
		delete(mentioned, c.Name)
	}
	for name := range mentioned {
		t.Errorf("check %q does not exist", name)
	}
}
