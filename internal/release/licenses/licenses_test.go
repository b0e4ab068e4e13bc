package licenses_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/release/licenses"
)

const (
	mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of this software\n"
	gpl = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n"
)

// TestAllowed checks the licenses of everything in a release, and that none is missing.
func TestAllowed(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := licenses.Modules(t.Context(), root, artifact.Module, []string{"linux/arm64", "windows/amd64"}, []string{"./cmd/streamctl", "./functions/..."})
	if err != nil {
		t.Fatal(err)
	}
	texts, err := licenses.Of(modules)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := licenses.Write(&b, texts); err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if !strings.Contains(b.String(), m.Name) {
			t.Errorf("the file doesn't name %s", m.Name)
		}
	}
	for _, want := range []string{"Go standard library go1.", "github.com/spf13/cobra v1.", "github.com/inconshreveable/mousetrap v1.", // Windows only
		"github.com/aws/aws-lambda-go v1."} { // functions only
		if !strings.Contains(b.String(), want) {
			t.Errorf("the file doesn't name %s", want)
		}
	}
	for _, exception := range []string{"Unlicense", "BSL-1.0"} {
		if n := strings.Count(b.String(), " "+exception+"\n"); n != 1 {
			t.Errorf("%d texts have the license %s, an exception for one file", n, exception)
		}
	}
	if n := strings.Count(b.String(), "END OF TERMS AND CONDITIONS"); n > 20 {
		t.Errorf("the file has %d copies of the Apache License", n)
	}
}

// TestRejected has modules that a release must not contain.
func TestRejected(t *testing.T) {
	module := func(files map[string]string) licenses.Module {
		dir := t.TempDir()
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return licenses.Module{Name: "example.com/x v1.0.0", Dir: dir, Packages: []string{dir, filepath.Join(dir, "sub", "pkg")}}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"copyleft":             {map[string]string{"LICENSE": gpl, "sub/pkg/x.go": ""}, "GNU GENERAL PUBLIC LICENSE is not allowed"},
		"copyleft and another": {map[string]string{"LICENSE": mit + gpl, "sub/pkg/x.go": ""}, "is not allowed"},
		"copyleft below":       {map[string]string{"LICENSE": mit, "sub/COPYING": gpl, "sub/pkg/x.go": ""}, "COPYING: GNU"},
		"unknown":              {map[string]string{"LICENSE.md": "Ask me.", "sub/pkg/x.go": ""}, "LICENSE.md: the license is unknown"},
		"public domain":        {map[string]string{"LICENSE": "This is free and unencumbered software released into the public domain.", "sub/pkg/x.go": ""}, "is unknown"},
		"none":                 {map[string]string{"README": mit, "sub/pkg/LICENSE": mit}, "its folder has none"},
		"only code":            {map[string]string{"license.go": mit, "sub/pkg/x.go": ""}, "its folder has none"},
	} {
		if _, err := licenses.Of([]licenses.Module{module(c.files)}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "example.com/x v1.0.0") {
			t.Errorf("%s: %v", name, err)
		}
	}
	texts, err := licenses.Of([]licenses.Module{module(map[string]string{"LICENSE": mit, "NOTICE": "Thanks.", "other/LICENSE": gpl, "sub/pkg/x.go": ""})})
	if err != nil || len(texts) != 2 || !slices.ContainsFunc(texts, func(t licenses.Text) bool { return t.Content == "Thanks." }) {
		t.Errorf("%v, %v", texts, err)
	}
}
