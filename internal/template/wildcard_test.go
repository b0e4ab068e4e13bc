package template_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestWildcardsHaveReasons requires a comment for each statement with Resource "*": on
// the line above, or the function's own, with the reason that the actions support no
// narrower resource.
func TestWildcardsHaveReasons(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			for _, at := range wildcards(declaration) {
				found++
				line := files.Position(at).Line
				if !explained(files, file, declaration, line) {
					t.Errorf("%s:%d: no reason for \"*\"", path, line)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("found only %d statements on every resource", found)
	}
}

// wildcards returns the positions of statements with Resource "*".
func wildcards(root ast.Node) (out []token.Pos) {
	ast.Inspect(root, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, element := range literal.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, _ := pair.Key.(*ast.Ident)
			value, _ := pair.Value.(*ast.BasicLit)
			if key != nil && value != nil && key.Name == "Resource" && value.Value == `"*"` {
				out = append(out, literal.Pos())
			}
		}
		return true
	})
	return out
}

func explained(files *token.FileSet, file *ast.File, declaration ast.Decl, line int) bool {
	if f, ok := declaration.(*ast.FuncDecl); ok && strings.Contains(f.Doc.Text(), "resource") {
		return true
	}
	for _, c := range file.Comments {
		if files.Position(c.End()).Line == line-1 && strings.Contains(c.Text(), "resource") {
			return true
		}
	}
	return false
}
