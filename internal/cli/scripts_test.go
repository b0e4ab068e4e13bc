package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryVerbHasAScript fails if the scripts lack a verb's result in JSON, its
// invalid use (exit code 2), or a standard output that can't be written (exit code 1).
func TestEveryVerbHasAScript(t *testing.T) {
	files, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	a := &App{Getenv: func(string) string { return "" }}
	for _, v := range verbs() {
		name := v.build(a).Name()
		for what, pattern := range map[string]string{
			"JSON":      `streamctl ` + name + `\b.* (-o|--output) json`,
			"wrong use": `exits 2 streamctl ` + name + `\b`,
			"full disk": `streamctl ` + name + `\b.*>/dev/full`,
		} {
			if !regexp.MustCompile(`(?m)^.*` + pattern).MatchString(scripts.String()) {
				t.Errorf("%s: %s is missing", name, what)
			}
		}
	}
}
