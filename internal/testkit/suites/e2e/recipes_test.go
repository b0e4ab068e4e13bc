package e2e_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRecipes runs the commands of the recipes in docs/operations.md in their order, on
// one stack. Lines that end with # AWS need more of AWS than the stand-in has; the
// others must end with 0, or 8 where something remains or differs.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, ok := strings.Cut(string(text), "\n## Recipes\n")
	if !ok {
		t.Fatal("docs/operations.md has no recipes")
	}
	w := newWorkplace(t, "")
	w.streamctl("deploy", "--yes").want(0)
	s := w.deployed("event-streaming-platform")
	s.exercise()
	ran := 0
	for _, block := range regexp.MustCompile("(?s)#### ([^\n]*)\n.*?```bash\n(.*?)```").FindAllStringSubmatch(recipes, -1) {
		if block[1] == "Add shards" {
			w.set("ShardCount: 2")
		}
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			program, rest, _ := strings.Cut(line, " ")
			if strings.HasSuffix(line, "# AWS") {
				if program != "streamctl" && program != "aws" {
					t.Errorf("%s: %s is neither a streamctl nor an aws command", block[1], line)
				}
				continue
			}
			args := strings.Fields(rest)
			if args[0] == "doctor" && slices.Contains(args, "--live") {
				args = append(args, "--no-canary", "--source", w.platform.Root) // the stand-in's API has no name in DNS
			}
			var r result
			begin := time.Now()
			switch program {
			case "streamctl":
				r = w.streamctl(args...)
			case "aws":
				r = w.run("sh", "-c", line)
			default:
				t.Fatalf("%s: %s", block[1], line)
			}
			// The archiver's hour is not over, and destroy keeps the snapshot and key of
			// production.
			allowed := []int{0}
			if slices.Contains([]string{"reconcile", "destroy"}, args[0]) {
				allowed = append(allowed, 8)
			}
			if !slices.Contains(allowed, r.code) {
				t.Errorf("%s: %s: exit code %d\n%s\n%s", block[1], line, r.code, r.stdout, r.stderr)
			}
			t.Logf("%s: %.1f s", line, time.Since(begin).Seconds())
			ran++
		}
	}
	if ran < 25 {
		t.Errorf("%d commands", ran)
	}
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(8)
}
