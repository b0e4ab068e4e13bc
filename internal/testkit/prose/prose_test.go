package prose_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/streamctl/streamctl/internal/testkit/prose"
)

func found(name, text string) []string {
	var out []string
	for _, f := range prose.Check(name, []byte(text)) {
		out = append(out, f.String())
	}
	return out
}

func TestEveryRuleReportsItsExample(t *testing.T) {
	for _, r := range prose.Rules() {
		for name, text := range map[string]string{
			"page.md": r.Bad, "code.go": "package p\n\n// " + r.Bad + "\nvar x int\n", "query.sql": "-- " + r.Bad,
		} {
			if got := found(name, text); len(got) != 1 || !strings.HasSuffix(got[0], ": "+r.Instead) {
				t.Errorf("%s: %q: got %q, want the rule with the advice %q", name, r.Bad, got, r.Instead)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"the line of a string of a Go file", "a.go", "package a\n\nconst text = `first line of\nthis shall be reported`\n",
			[]string{`a.go:4: "shall": write "must", "can" or "may"`}},
		{"a message", "a.go", "package a\n\nvar err = errors.New(\"the update was cancelled by Ctrl-C\")\n",
			[]string{`a.go:3: "was cancelled": write "canceled", "canceling"`}},
		{"identifiers and keys are not prose", "a.go", "package a\n\nvar shall = m[\"told\"]\n", nil},
		{"code in backticks", "a.md", "The user `whoever` runs `put back`.", nil},
		{"a code block", "a.md", "text\n\n```\nRedis is away\n```\n\nRedis is away", []string{`a.md:7: "is away": write "unavailable"`}},
		{"a question", "a.md", "What is a change set?", nil},
		{"good English", "a.md", "Reports whether the stack exists. Records go on the stream. Once more than ten fail, it waits for all thats.", nil},
		{"two findings in a line", "Makefile", "# mend it at once",
			[]string{`Makefile:1: "mend": write "fix" or "correct"`, `Makefile:1: "at once": write "immediately" or "at the same time"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := found(tt.file, tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckTree(t *testing.T) {
	bad := &fstest.MapFile{Data: []byte("this shall fail")}
	tree := fstest.MapFS{}
	for _, path := range []string{
		"README.md", "docs/page.md", "scripts/setup", ".ci/run", "testdata/script/a.txtar", "internal/a/a.sql",
		".git/a.md", "dist/a.md", "testdata/golden/a.yaml", "internal/testkit/prose/rules.md", "docs/picture.png", "LICENSE",
	} {
		tree[path] = bad
	}
	findings, err := prose.CheckTree(tree)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range findings {
		files = append(files, f.File)
	}
	want := []string{".ci/run", "README.md", "docs/page.md", "internal/a/a.sql", "scripts/setup", "testdata/script/a.txtar"}
	if !slices.Equal(files, want) {
		t.Errorf("got %q, want %q", files, want)
	}
}
