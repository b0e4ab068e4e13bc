package artifact

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keptBuilds is the number of builds in the cache; older ones are removed.
const keptBuilds = 4

const (
	// newPrefix is the prefix of a build that is being written to the cache,
	// scratchPrefix that of a folder with programs that are being compiled.
	newPrefix     = "new-"
	scratchPrefix = "scratch-"
	// leftoverAge is the age from which such a folder belongs to a killed build.
	leftoverAge = time.Hour
)

// scratch creates a folder for programs: in the cache, where the next build finds it if
// this one is killed, or else in the system's temporary folder.
func (b Builder) scratch() (string, error) {
	if b.Cache != "" && os.MkdirAll(b.Cache, 0o755) == nil {
		if dir, err := os.MkdirTemp(b.Cache, scratchPrefix); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "streamctl-build-")
}

// removeLeftovers removes the folders of killed builds from the cache.
func (b Builder) removeLeftovers() {
	entries, err := os.ReadDir(b.Cache)
	if err != nil {
		return // the cache does not exist yet, or keep will report the error
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), newPrefix) && !strings.HasPrefix(e.Name(), scratchPrefix) || time.Since(info.ModTime()) < leftoverAge {
			continue
		}
		if err := os.RemoveAll(filepath.Join(b.Cache, e.Name())); err != nil {
			b.warn(err)
		}
	}
}

// sumFormat is the format of a file with the digest and the size of a zip.
const sumFormat = "%s %d"

// errUncached reports that the cache has no build of this source.
var errUncached = errors.New("not built yet")

// cached returns the artifacts of a build of the same source from b.Cache. It does not read
// the zips, which only an upload needs: reading and hashing them took most of the time of a
// deploy without a change.
func (b Builder) cached(source string, functions []string) ([]Artifact, error) {
	out := make([]Artifact, len(functions))
	for i, name := range functions {
		folder := filepath.Join(b.Cache, source)
		path := filepath.Join(folder, name+".zip")
		text, err := os.ReadFile(filepath.Join(folder, name+".sha256"))
		if err != nil {
			return nil, errUncached
		}
		a := Artifact{Function: name}
		if n, err := fmt.Sscanf(string(text), sumFormat, &a.SHA256, &a.Size); err != nil || n != 2 || len(a.SHA256) != 2*sha256.Size {
			return nil, errUncached
		}
		if found, err := os.Stat(path); err != nil || found.Size() != int64(a.Size) { // damaged: build it again
			return nil, errUncached
		}
		a.zip = func() ([]byte, error) { return readZip(folder, path, a.SHA256) }
		out[i] = a
	}
	return out, nil
}

// readZip reads a zip of a build. It removes a damaged build, so that the next run makes it
// again.
func readZip(folder, path, want string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read build: %w", err)
	}
	if New("", text).SHA256 != want {
		return nil, errors.Join(fmt.Errorf("read build: %s is damaged; run the command again, which builds it again", path), os.RemoveAll(folder))
	}
	return text, nil
}

// keep adds a build to the cache atomically and removes old ones.
func (b Builder) keep(source string, artifacts []Artifact) (err error) {
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(b.Cache, newPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	for _, a := range artifacts {
		archive, err := a.Zip()
		if err != nil {
			return err
		}
		err = errors.Join(
			os.WriteFile(filepath.Join(fresh, a.Function+".zip"), archive, 0o644),
			os.WriteFile(filepath.Join(fresh, a.Function+".sha256"), fmt.Appendf(nil, sumFormat, a.SHA256, a.Size), 0o644))
		if err != nil {
			return err
		}
	}
	place := filepath.Join(b.Cache, source)
	if err := os.RemoveAll(place); err != nil { // a damaged build
		return err
	}
	// Another build of the same source may have finished first: it has the same bytes.
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
		if info, err := e.Info(); err == nil && !strings.HasPrefix(e.Name(), newPrefix) && !strings.HasPrefix(e.Name(), scratchPrefix) {
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
