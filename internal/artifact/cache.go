package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// keptBuilds is how many builds a cache keeps, the newest.
const keptBuilds = 4

// errUncached says that there is no build of this source yet.
var errUncached = errors.New("not built yet")

// cached gives the artifacts of a build of the same source, from b.Cache.
func (b Builder) cached(source string, functions []string) ([]Artifact, error) {
	out := make([]Artifact, len(functions))
	var group errgroup.Group
	for i, name := range functions {
		group.Go(func() error {
			text, err := os.ReadFile(filepath.Join(b.Cache, source, name+".zip"))
			if err != nil {
				return errUncached
			}
			sum, err := os.ReadFile(filepath.Join(b.Cache, source, name+".sha256"))
			if err != nil {
				return errUncached
			}
			if out[i] = New(name, text); out[i].SHA256 != string(sum) { // damaged: build it again
				return errUncached
			}
			return nil
		})
	}
	return out, group.Wait()
}

// keep remembers a build, whole or not at all, and forgets old ones.
func (b Builder) keep(source string, artifacts []Artifact) (err error) {
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(b.Cache, "new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	for _, a := range artifacts {
		err := errors.Join(
			os.WriteFile(filepath.Join(fresh, a.Function+".zip"), a.Zip, 0o644),
			os.WriteFile(filepath.Join(fresh, a.Function+".sha256"), []byte(a.SHA256), 0o644))
		if err != nil {
			return err
		}
	}
	place := filepath.Join(b.Cache, source)
	if err := os.RemoveAll(place); err != nil { // one that was damaged
		return err
	}
	if err := os.Rename(fresh, place); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.forget()
}

// forget removes all but the newest builds.
func (b Builder) forget() error {
	entries, err := os.ReadDir(b.Cache)
	if err != nil {
		return err
	}
	type build struct {
		name string
		at   int64
	}
	var builds []build
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !strings.HasPrefix(e.Name(), "new-") {
			builds = append(builds, build{e.Name(), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(builds, func(x, y build) int { return int(y.at/1e6 - x.at/1e6) })
	for _, old := range builds[min(keptBuilds, len(builds)):] {
		if err := os.RemoveAll(filepath.Join(b.Cache, old.name)); err != nil {
			return err
		}
	}
	return nil
}

// source is a digest of everything that a build reads: the source, what it
// embeds, the modules' sums, the compiler and the target. ok is false for a
// checkout that builds from other folders too.
func (b Builder) source() (digest string, ok bool, err error) {
	h := sha256.New()
	toolchain, err := pinnedToolchain(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return "", false, err
	}
	fmt.Fprintln(h, toolchain, b.OS, b.Arch)
	modules, err := os.ReadFile(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return "", false, fmt.Errorf("read modules: %w", err)
	}
	if strings.Contains(string(modules), "=> .") || strings.Contains(string(modules), "=> /") {
		return "", false, nil
	}
	note := func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.Root, path)
		sum := sha256.Sum256(text)
		fmt.Fprintln(h, filepath.ToSlash(name), hex.EncodeToString(sum[:]))
		return err
	}
	for _, dir := range []string{"functions", "internal", "templates"} {
		err := filepath.WalkDir(filepath.Join(b.Root, dir), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testkit" || entry.Name() == "testdata" || entry.Name() == "zips"):
				return filepath.SkipDir
			case entry.IsDir() || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			return note(path)
		})
		if err != nil {
			return "", false, fmt.Errorf("read source: %w", err)
		}
	}
	err = errors.Join(note(filepath.Join(b.Root, "go.mod")), note(filepath.Join(b.Root, "go.sum")))
	return hex.EncodeToString(h.Sum(nil))[:32], true, err
}
