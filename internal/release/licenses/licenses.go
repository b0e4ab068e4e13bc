// Package licenses collects the license texts of everything that a release contains.
package licenses

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Module is a module of which packages are part of a release.
type Module struct {
	// Name is the module's path and version.
	Name string
	// Dir is the module's folder.
	Dir string
	// Packages are the folders of its packages in the release.
	Packages []string
}

// Text is a license or a notice.
type Text struct {
	// Kind is the license, such as MIT; empty for a notice.
	Kind string
	// Content is the file's content.
	Content string
	// Modules are the modules with exactly this text, sorted.
	Modules []string
}

// kinds are the licenses that a dependency may have, each with a sentence of its text.
// White space is one space.
var kinds = []struct{ name, sentence string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"BSD", "Redistribution and use in source and binary forms, with or without modification"},
	{"ISC", "for any purpose with or without fee is hereby granted"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
}

// exceptions are single files with another license, by the module's path and the file's,
// each with a sentence of its text. Both licenses are permissive. Another file with the
// same license is not allowed.
var exceptions = map[string]struct{ name, sentence string }{
	"github.com/alicebob/miniredis/v2/gopher-json/LICENSE": {"Unlicense", "This is free and unencumbered software released into the public domain."},
	"github.com/alicebob/miniredis/v2/fpconv/LICENSE.txt":  {"BSL-1.0", "Boost Software License - Version 1.0"},
}

var (
	space = regexp.MustCompile(`\s+`)
	file  = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([._-].*)?$`)
	// notice matches what the Apache License asks to pass on, and summaries of the
	// licenses beside them.
	notice = regexp.MustCompile(`(?i)^(notice|patents|authors|license-summary)([._-].*)?$`)
	// copyleft matches the licenses of the GNU project, whose texts also contain
	// sentences of others.
	copyleft = regexp.MustCompile(`(?i)GNU (affero |lesser |library )?general public license`)
	source   = regexp.MustCompile(`\.go$`)
)

// Kind returns the license of a text, or an error if it is not one of those that a
// dependency may have.
func Kind(text string) (string, error) {
	plain := space.ReplaceAllString(text, " ")
	if found := copyleft.FindString(plain); found != "" {
		return "", fmt.Errorf("%s is not allowed", found)
	}
	var found []string
	for _, k := range kinds {
		if strings.Contains(strings.ToLower(plain), strings.ToLower(k.sentence)) && !slices.Contains(found, k.name) {
			found = append(found, k.name)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("the license is unknown; allowed are Apache, MIT, BSD, ISC and MPL 2.0")
	}
	return strings.Join(found, ", "), nil
}

// Of returns the texts of the modules' licenses and notices: those in the folders of
// the packages and above them. A module without a license, or with one that is not
// allowed, is an error.
func Of(modules []Module) ([]Text, error) {
	byContent := map[string]*Text{}
	for _, m := range modules {
		licensed := false
		for _, dir := range m.folders() {
			entries, err := os.ReadDir(dir)
			if err != nil {
				return nil, fmt.Errorf("read license of %s: %w", m.Name, err)
			}
			for _, e := range entries {
				isNotice := notice.MatchString(e.Name())
				isLicense := !isNotice && file.MatchString(e.Name())
				if e.IsDir() || source.MatchString(e.Name()) || !isLicense && !isNotice {
					continue
				}
				content, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					return nil, fmt.Errorf("read license of %s: %w", m.Name, err)
				}
				kind := ""
				if isLicense {
					if kind, err = m.kind(filepath.Join(dir, e.Name()), string(content)); err != nil {
						return nil, fmt.Errorf("check license of %s: %s: %w", m.Name, e.Name(), err)
					}
					licensed = licensed || dir == m.Dir
				}
				t := byContent[string(content)]
				if t == nil {
					t = &Text{Kind: kind, Content: string(content)}
					byContent[string(content)] = t
				}
				if !slices.Contains(t.Modules, m.Name) {
					t.Modules = append(t.Modules, m.Name)
				}
			}
		}
		if !licensed {
			return nil, fmt.Errorf("check license of %s: its folder has none", m.Name)
		}
	}
	var texts []Text
	for _, t := range byContent {
		slices.Sort(t.Modules)
		texts = append(texts, *t)
	}
	slices.SortFunc(texts, func(a, b Text) int {
		return cmp.Or(cmp.Compare(a.Modules[0], b.Modules[0]), cmp.Compare(b.Kind, a.Kind), cmp.Compare(a.Content, b.Content))
	})
	return texts, nil
}

// kind returns the license of one of the module's files, which may be an exception.
func (m Module) kind(path, text string) (string, error) {
	name, _, _ := strings.Cut(m.Name, " ")
	if e, ok := exceptions[name+filepath.ToSlash(strings.TrimPrefix(path, m.Dir))]; ok && strings.Contains(text, e.sentence) {
		return e.name, nil
	}
	return Kind(text)
}

// folders returns the folders of the packages and those above them in the module.
func (m Module) folders() []string {
	all := []string{m.Dir}
	for _, dir := range m.Packages {
		for ; strings.HasPrefix(dir, m.Dir+string(filepath.Separator)); dir = filepath.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Modules returns the modules of which packages are part of the programs, on any of the
// platforms, and the standard library. A platform is GOOS/GOARCH. own is the module
// whose packages don't count.
func Modules(ctx context.Context, root, own string, platforms, programs []string) ([]Module, error) {
	byName := map[string]*Module{}
	for _, p := range platforms {
		system, arch, _ := strings.Cut(p, "/")
		cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-f",
			"{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}"}, programs...)...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := output(cmd)
		if err != nil {
			return nil, fmt.Errorf("list modules for %s: %w", p, err)
		}
		for line := range strings.Lines(out) {
			part := strings.Split(strings.TrimSpace(line), "\t")
			if len(part) != 4 || part[0] == own {
				continue
			}
			name := part[0] + " " + part[1]
			if byName[name] == nil {
				byName[name] = &Module{Name: name, Dir: part[2]}
			}
			byName[name].Packages = append(byName[name].Packages, part[3])
		}
	}
	env := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION")
	env.Dir = root
	out, err := output(env)
	if err != nil {
		return nil, fmt.Errorf("find the standard library: %w", err)
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(out), "\n")
	modules := []Module{{Name: "Go standard library " + version, Dir: goroot}}
	for _, m := range byName {
		modules = append(modules, *m)
	}
	slices.SortFunc(modules, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
	return modules, nil
}

func output(cmd *exec.Cmd) (string, error) {
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, story.String())
	}
	return string(out), nil
}

// Write writes one file with all texts, each once, below the modules that have it.
func Write(w io.Writer, texts []Text) error {
	var b bytes.Buffer
	b.WriteString("Licenses of the software in streamctl's releases: the program, and the functions that it deploys.\n\n")
	var table []string
	for _, t := range texts {
		for _, name := range t.Modules {
			if t.Kind != "" {
				table = append(table, fmt.Sprintf("%-72s %s\n", name, t.Kind))
			}
		}
	}
	slices.Sort(table)
	b.WriteString(strings.Join(slices.Compact(table), ""))
	for _, t := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(t.Modules, "\n"), strings.TrimSpace(t.Content))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write licenses: %w", err)
	}
	return nil
}
