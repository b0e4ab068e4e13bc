// Package prose checks the English of comments, strings and documents for phrases that
// are hard to understand, and for British spelling.
package prose

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Finding is a phrase that a rule reports.
type Finding struct {
	File    string
	Line    int
	Phrase  string
	Instead string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %q: %s", f.File, f.Line, f.Phrase, f.Instead)
}

// line is one line of prose.
type line struct {
	number int
	text   string
}

// Check returns the findings in a file. In Go it reads comments and string literals of
// several words, in Markdown everything except code, in other files every line.
func Check(name string, content []byte) []Finding {
	var lines []line
	switch filepath.Ext(name) {
	case ".go":
		lines = goProse(content)
	case ".md":
		lines = markdownProse(content)
	default:
		lines = split(1, string(content))
	}
	var out []Finding
	for _, l := range lines {
		text := strings.TrimLeft(quoted.ReplaceAllString(l.text, "CODE"), "\"/#*|- \t")
		for _, r := range rules() {
			if phrase := r.Pattern.FindString(text); phrase != "" {
				out = append(out, Finding{File: name, Line: l.number, Phrase: strings.TrimSpace(phrase), Instead: r.Instead})
			}
		}
	}
	return out
}

// rules are the rules, compiled once for all files.
var rules = sync.OnceValue(Rules)

// quoted matches code in backticks, which is not prose.
var quoted = regexp.MustCompile("`[^`\n]+`")

func split(first int, text string) []line {
	var out []line
	for text := range strings.Lines(text) {
		out = append(out, line{first + len(out), strings.TrimRight(text, "\r\n")})
	}
	return out
}

func goProse(content []byte) []line {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, content, nil, scanner.ScanComments)
	var out []line
	for {
		pos, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return out
		case tok == token.COMMENT, tok == token.STRING && strings.Count(text, " ") > 1:
			out = append(out, split(file.Line(pos), strings.Trim(text, "`"))...)
		}
	}
}

func markdownProse(content []byte) []line {
	var out []line
	fenced := false
	for _, l := range split(1, string(content)) {
		if strings.HasPrefix(strings.TrimSpace(l.text), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out = append(out, l)
		}
	}
	return out
}

// CheckTree returns the findings in all files of a tree with prose in them. It skips
// hidden folders except .ci and .github, build results, golden files, the migrations,
// which must not change once they are released, and this package, which contains the
// phrases.
func CheckTree(tree fs.FS) ([]Finding, error) {
	var out []Finding
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skippedDir(path):
			return fs.SkipDir
		case !d.Type().IsRegular() || !hasProse(path):
			return nil
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if bytes.IndexByte(content, 0) < 0 {
			out = append(out, Check(path, content)...)
		}
		return nil
	})
	return out, err
}

func skippedDir(path string) bool {
	hidden := strings.HasPrefix(path, ".") && path != "." && path != ".ci" && path != ".github"
	return hidden || slices.Contains([]string{"bin", "dist", "testdata/golden", "internal/testkit/prose", "internal/warehouse/migrations"}, path)
}

func hasProse(path string) bool {
	extensions := []string{".css", ".go", ".html", ".js", ".lua", ".md", ".sql", ".txtar", ".yaml", ".yml"}
	return slices.Contains(extensions, filepath.Ext(path)) || path == "Makefile" ||
		slices.Contains([]string{"scripts", ".ci"}, filepath.ToSlash(filepath.Dir(path)))
}
