package template_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	"github.com/streamctl/streamctl/internal/testkit/golden"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// regions are the regions in which the options are checked.
var regions = []string{"us-east-1", "eu-central-1", "ap-southeast-2"}

func variables(t *testing.T, lines, environment string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(lines), "option.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// parts returns the entries of a rendered template's sections: Resources.Api.
func parts(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	root := doc.Content[0].Content
	for i := 0; i < len(root); i += 2 {
		for j := 0; j+1 < len(root[i+1].Content); j += 2 {
			text, err := yaml.Marshal(root[i+1].Content[j+1])
			if err != nil {
				t.Fatal(err)
			}
			out[root[i].Value+"."+root[i+1].Content[j].Value] = string(text)
		}
	}
	return out
}

// TestOptionGolden compares, for each option, its additions, changes and removals in
// production's template.
func TestOptionGolden(t *testing.T) {
	off := parts(t, render(t, config.Default(config.Production)))
	for _, o := range everyoption.List() {
		t.Run(o.Name, func(t *testing.T) {
			on := parts(t, render(t, variables(t, o.Lines, config.Production)))
			var text strings.Builder
			fmt.Fprintf(&text, "# %s\n", strings.ReplaceAll(o.Lines, "\n", "\n# "))
			for _, name := range slices.Sorted(maps.Keys(on)) {
				switch was, there := off[name]; {
				case !there:
					fmt.Fprintf(&text, "\nadded %s\n%s", name, on[name])
				case !reflect.DeepEqual(was, on[name]):
					fmt.Fprintf(&text, "\nchanged %s\n%s", name, on[name])
				}
			}
			for _, name := range slices.Sorted(maps.Keys(off)) {
				if _, there := on[name]; !there {
					fmt.Fprintf(&text, "\nremoved %s\n", name)
				}
			}
			if strings.Count(text.String(), "\n") < 3+strings.Count(o.Lines, "\n") {
				t.Errorf("the option changes nothing")
			}
			golden.Equal(t, filepath.Join("..", "..", "testdata", "golden", "options", o.Name+".txt"), []byte(text.String()))
		})
	}
}

// TestOptionLint runs cfn-lint on all options together, and on each other option alone.
func TestOptionLint(t *testing.T) {
	lint := must.Have(t, "cfn-lint", "pip install cfn-lint")
	dir := t.TempDir()
	args := append([]string{"-e", "-x", "E3012:strict=true", "-f", "parseable", "-r"}, regions...)
	args = append(args, "-t")
	write := func(name, lines string) {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, render(t, variables(t, lines, config.Production)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	write("everything", everyoption.All())
	for _, o := range everyoption.List() {
		if o.Alone {
			write(o.Name, o.Lines)
		}
	}
	if out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
