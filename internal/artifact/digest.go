package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source returns a digest of everything that a build reads: the source, embedded files,
// the modules, the compiler, its settings and the target. ok is false for a checkout
// that also builds from other folders; such builds are not cached.
func (b Builder) source(ctx context.Context) (digest string, ok bool, err error) {
	h := sha256.New()
	toolchain, err := pinnedToolchain(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return "", false, err
	}
	fmt.Fprintln(h, "2", toolchain, b.settings(), b.arguments())
	modules, err := os.ReadFile(filepath.Join(b.Root, "go.mod"))
	if err != nil {
		return "", false, fmt.Errorf("read modules: %w", err)
	}
	if strings.Contains(string(modules), "=> .") || strings.Contains(string(modules), "=> /") {
		return "", false, nil
	}
	folders := []string{"functions", "internal", "templates"}
	if b.vendored() {
		folders = append(folders, "vendor")
	}
	for _, dir := range folders {
		if err := b.addFolder(ctx, h, dir); err != nil {
			return "", false, fmt.Errorf("read source: %w", err)
		}
	}
	err = errors.Join(b.addFile(h, filepath.Join(b.Root, "go.mod")), b.addFile(h, filepath.Join(b.Root, "go.sum")))
	return hex.EncodeToString(h.Sum(nil))[:32], true, err
}

// addFolder adds the files of a folder that Go may read. Like Go, it skips tests,
// folders that are links, and files that are neither regular files nor links to them,
// such as editors' locks (.#name.go) and pipes.
func (b Builder) addFolder(ctx context.Context, h io.Writer, dir string) error {
	root := filepath.Join(b.Root, dir)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case entry.IsDir() && path != root && ignoredFolder(entry.Name()):
			return filepath.SkipDir
		case entry.IsDir(), strings.HasSuffix(path, "_test.go"), strings.HasSuffix(path, ".go") && hidden(entry.Name()):
			return nil
		}
		if !entry.Type().IsRegular() {
			target, err := os.Stat(path)
			if entry.Type()&fs.ModeSymlink == 0 || hidden(entry.Name()) || err != nil || !target.Mode().IsRegular() {
				return nil //nolint:nilerr // a dangling link is not source
			}
		}
		return b.addFile(h, path)
	})
	if errors.Is(err, fs.ErrNotExist) && dir == "templates" {
		return nil
	}
	return err
}

func ignoredFolder(name string) bool {
	return slices.Contains([]string{"testkit", "testdata", "embedded"}, name) || hidden(name)
}

// hidden reports whether Go ignores folders and source files of this name.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") }

func (b Builder) addFile(h io.Writer, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(b.Root, path)
	sum := sha256.Sum256(text)
	fmt.Fprintln(h, filepath.ToSlash(name), hex.EncodeToString(sum[:]))
	return err
}

// vendored reports whether the checkout has a vendor folder.
func (b Builder) vendored() bool {
	_, err := os.Stat(filepath.Join(b.Root, "vendor", "modules.txt"))
	return err == nil
}
