package template_test

import (
	"os"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

func TestTmp(t *testing.T) {
	for _, e := range []string{"production", "staging", "development"} {
		tt, err := template.Build(config.Default(e), template.Options{})
		if err != nil {
			t.Fatal(err)
		}
		y, err := tt.YAML()
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile("/tmp/r/"+e+".yaml", y, 0o644)
		t.Log(e, len(y))
		t.Log(tt.GroupBytes())
	}
}
