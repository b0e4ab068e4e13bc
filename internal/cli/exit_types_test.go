package cli

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExitCodesOfEveryType fails if TestExitCodes lacks an error type of a package
// whose errors reach the command line.
func TestExitCodesOfEveryType(t *testing.T) {
	table, err := os.ReadFile("exit_test.go")
	if err != nil {
		t.Fatal(err)
	}
	notReached := []string{
		"contactError",      // the SDK's; an *api.NetworkError is in it
		"slowError",         // in an *api.NetworkError
		"classError",        // errDeclined and errLeftBehind
		"daemon.OwnerError", // in a *local.FolderError
	}
	types := 0
	for _, dir := range []string{".", "../api", "../config", "../send", "../local", "../artifact", "../cost", "../deploy", "../deploy/*"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv == nil || f.Name.Name != "Error" {
					continue
				}
				name := receiver(f.Recv.List[0].Type)
				if dir != "." {
					name = file.Name.Name + "." + name
				}
				types++
				if !strings.Contains(string(table), name+"{") && !slices.Contains(notReached, name) {
					t.Errorf("%s is missing", name)
				}
			}
		}
	}
	if types < 40 {
		t.Errorf("only %d types", types)
	}
}

func receiver(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if name, ok := e.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}
