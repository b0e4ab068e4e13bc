package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// TestArchitectureListsTheSteps compares docs/architecture.md with the steps.
func TestArchitectureListsTheSteps(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range (&destroy{plan: Plan{Stack: stack.Stack{Status: stack.StatusCreated}}}).steps() {
		names = append(names, "| "+s.name+" | ")
	}
	for _, s := range (&undo{}).steps() {
		if !strings.Contains(string(page), "\n| "+s.name+" | ") {
			t.Errorf("docs/architecture.md lacks the step %q of the undo", s.name)
		}
	}
	for file, function := range map[string]string{"deploy.go": "func (r *run) create(", "update.go": "func (r *run) update("} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), function)
		body, _, _ = strings.Cut(body, "\n}\n")
		var steps []string
		for _, m := range regexp.MustCompile(`\n\t\t\{"([^"]+)", `).FindAllStringSubmatch(body, -1) {
			steps = append(steps, m[1])
		}
		if len(steps) < 5 {
			t.Fatalf("%s has %d steps", file, len(steps))
		}
		names = append(names, "| "+strings.Join(steps, " · ")+" |")
	}
	rest := string(page)
	for _, name := range names[:len(names)-2] { // destroy's are in order
		_, after, ok := strings.Cut(rest, name)
		if !ok {
			t.Errorf("docs/architecture.md lacks %q, or it is out of order", name)
			continue
		}
		rest = after
	}
	for _, name := range names[len(names)-2:] {
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/architecture.md lacks %q", name)
		}
	}
}
