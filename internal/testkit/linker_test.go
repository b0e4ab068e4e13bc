package testkit_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

// TestLinkerCanDropMethods forbids calls that find methods by name. If one of
// these is reachable, the linker keeps every method of every type: a template
// for cobra's --version once tripled the program's size.
func TestLinkerCanDropMethods(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	reflective := regexp.MustCompile(`\.Set(Version|Usage|Help|Error)Template\(|"(text|html)/template"|\.MethodByName\(|"net/rpc"`)
	for _, top := range []string{"cmd", "functions", "internal"} {
		err := fs.WalkDir(os.DirFS(root), top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "internal/testkit") && entry.IsDir() {
				return err
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/testkit/") {
				return nil
			}
			text, err := fs.ReadFile(os.DirFS(root), path)
			if found := reflective.FindString(string(text)); found != "" {
				t.Errorf("%s: %s", path, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
