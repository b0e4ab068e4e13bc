package template_test

import (
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/template"
)

func BenchmarkRender(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		t, err := template.Build(config.Default(config.Production), template.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.YAML(); err != nil {
			b.Fatal(err)
		}
	}
}
