package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// manifestVersion is the format of artifacts.json.
const manifestVersion = 1

// Manifest records the last packaged code, so that a template can refer to it without a
// build.
type Manifest struct {
	Version int `json:"version"`
	// Functions are the zips' digests in hexadecimal, by function.
	Functions map[string]string `json:"functions"`
}

// NewManifest returns the manifest of artifacts.
func NewManifest(artifacts []Artifact) Manifest {
	m := Manifest{Version: manifestVersion, Functions: map[string]string{}}
	for _, a := range artifacts {
		m.Functions[a.Function] = a.SHA256
	}
	return m
}

// Keys returns the S3 keys of the functions' code.
func (m Manifest) Keys() map[string]string {
	keys := make(map[string]string, len(m.Functions))
	for function, sum := range m.Functions {
		keys[function] = Key(function, sum)
	}
	return keys
}

// ReadManifest reads a manifest. A missing file is an empty manifest, without an error.
func ReadManifest(path string) (Manifest, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, nil
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %w; delete it and run `streamctl package`", path, err)
	}
	if m.Version != manifestVersion {
		return Manifest{}, fmt.Errorf("read manifest %s: version %d is not %d; delete it and run `streamctl package`", path, m.Version, manifestVersion)
	}
	return m, nil
}

// Write writes the manifest to path and creates its folder. A reader sees the old file
// or the new one, never a part.
func (m Manifest) Write(path string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	leftovers, _ := filepath.Glob(path + ".*.next") // of killed runs; the pattern is valid
	for _, old := range leftovers {
		if info, err := os.Stat(old); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(old) // a leftover does no harm
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.next") // another run may write at the same time
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write manifest: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
