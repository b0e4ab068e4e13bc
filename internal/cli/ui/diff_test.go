package ui_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

func TestDiffComparesInsideJSON(t *testing.T) {
	before := `{"widgets":[{"title":"Events","w":6},{"title":"Users","w":6}],"start":"-PT3H"}`
	after := `{"widgets":[{"title":"Events per minute","w":6},{"title":"Users","w":6}],"start":"-PT3H","end":"P0D"}`
	var got []string
	for _, d := range ui.DiffValues("DashboardBody", before, true, after, true) {
		got = append(got, d.String())
	}
	want := []string{"DashboardBody.end: (none) → P0D", "DashboardBody.widgets[0].title: Events → Events per minute"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiffYAML(t *testing.T) {
	before := "Resources:\n  A:\n    Type: AWS::SNS::Topic\n    Properties:\n      Name: !Ref P\n      Policy: '{\"a\": 1, \"b\": 2}'\n"
	after := "Resources:\n  A:\n    Type: AWS::SNS::Topic\n    Properties:\n      Name: !Sub '${P}-x'\n      Policy: '{\"a\": 1, \"b\": 3}'\n  B:\n    Type: AWS::KMS::Key\n"
	differences, err := ui.DiffYAML([]byte(before), []byte(after))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-Resources.A.Properties.Name.!Ref: P", "+Resources.A.Properties.Name.!Sub: ${P}-x",
		"-Resources.A.Properties.Policy.b: 2", "+Resources.A.Properties.Policy.b: 3",
		"+Resources.B.Type: AWS::KMS::Key",
	}
	if got := ui.DiffLines(differences, 0); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("got %q, want %q", got, want)
	}
	none, err := ui.DiffYAML(nil, []byte(after))
	if err != nil || len(none) == 0 || strings.HasPrefix(ui.DiffLines(none, 0)[0], "-") {
		t.Errorf("without a stack: %v, %v", none, err)
	}
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{{"abcdef", 4, "abc…"}, {"abcd", 4, "abcd"}, {"abcd", 0, "abcd"}, {"日本語", 5, "日本…"}, {"日本語", 6, "日本語"}} {
		if got := ui.Fit(tt.line, tt.width); got != tt.want {
			t.Errorf("%q in %d columns is %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}
