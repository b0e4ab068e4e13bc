package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

const (
	// markerFile marks a data folder; its content is marker.
	markerFile = ".streamctl-local"
	marker     = "This is a data folder of `streamctl local`, version 1. `streamctl local --reset` empties it.\n"
	// ownKeys begins the access keys that are made for a data folder.
	ownKeys = "AKIALOCAL"
)

// ownEntries are the names of everything that a data folder holds, as patterns of
// filepath.Match.
var ownEntries = [...]string{
	markerFile, lockFile, stateFile, "archive", "checkpoints", "postgres", "redis", "stream", "damage-*.json",
	pgpassFile, redisPasswordFile, "*.new",
}

func isOwnEntry(name string) bool {
	return slices.ContainsFunc(ownEntries[:], func(pattern string) bool {
		matched, err := filepath.Match(pattern, name)
		return err == nil && matched
	})
}

// content is how a folder was recognized.
type content int

const (
	// empty is a folder that is missing or holds nothing but a lock.
	empty content = iota
	// ours is a data folder of local.
	ours
	// foreign is anything else.
	foreign
)

// recognize looks at what a folder holds, and changes nothing. A data folder has
// the marker with its exact content; one that an older version made has its
// state.json with that version's fields, keys and values, and a folder beside it.
func recognize(dir string) (content, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return foreign, &FolderError{Dir: dir, What: err.Error(), Fix: "name a folder that you may read and write with --data-dir"}
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		info, err := e.Info()
		return e.Name() == lockFile && err == nil && info.Mode().IsRegular() && info.Size() == 0
	})
	if len(entries) == 0 {
		return empty, nil
	}
	text, err := daemon.ReadFile(filepath.Join(dir, markerFile), nil)
	if err == nil && string(text) == marker {
		return ours, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return foreign, nil //nolint:nilerr // a marker that can't be trusted is none
	}
	if text, err = daemon.ReadFile(filepath.Join(dir, stateFile), nil); err != nil {
		return foreign, nil //nolint:nilerr // neither can a state file
	}
	return recognizeOld(dir, text), nil
}

// recognizeOld recognizes a folder of a version that wrote no marker.
func recognizeOld(dir string, text []byte) content {
	var k kept
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&k); err != nil || k.Format != format {
		return foreign
	}
	if strings.HasPrefix(k.AccessKeyID, ownKeys) && k.Password != "" && k.SecretAccessKey != "" {
		return ours
	}
	for _, name := range []string{"postgres/data/PG_VERSION", "stream/stream.json"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return ours
		}
	}
	return foreign
}

// foreignFolder refuses a folder and names what is in it.
func foreignFolder(dir string) error {
	e := &FolderError{Dir: dir, Fix: "name an empty or a new folder with --data-dir; nothing was changed"}
	holds := listed(dir)
	text, err := daemon.ReadFile(filepath.Join(dir, stateFile), nil)
	if errors.Is(err, fs.ErrNotExist) {
		e.What = "it is none of ours: it holds files and no " + stateFile + " of streamctl local: " + holds
		return e
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	switch {
	case err != nil:
		e.What = stateFile + " is damaged, or it is none of ours: " + err.Error() + ". It holds " + holds
		e.Fix = "put a copy back, or name another folder with --data-dir: --reset removes only what it recognizes; nothing was changed"
	case k.Format > format:
		e.What = fmt.Sprintf("made by another version of streamctl (format %d, this one has %d), or it is none of ours. It holds %s", k.Format, format, holds)
		e.Fix = "use that version, for --reset too, or name another folder with --data-dir; nothing was changed"
	default:
		e.What = "it is none of ours: its " + stateFile + " is another program's. It holds " + holds
	}
	return e
}

// listed names up to five entries of a folder.
func listed(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Reset empties a data folder: it removes what local made there and returns the
// names of all other files, which stay, as the folder does. Anything but a data
// folder is refused, and so are a link, the home and the working directory
// with the folders above them, and a git checkout.
func Reset(dir string) (left []string, err error) {
	if err := resettable(dir); err != nil {
		return nil, err
	}
	found, err := recognize(dir)
	if err != nil || found == empty {
		return nil, err
	}
	if found == foreign {
		return nil, foreignFolder(dir)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	left, err = removeOwn(dir)
	return left, errors.Join(err, lock.Close())
}

func resettable(dir string) error {
	refuse := func(what string) error {
		return &FolderError{Dir: dir, What: "not emptied: it is " + what, Fix: "name the data folder itself with --data-dir"}
	}
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reset data folder: %w", err)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return refuse("a symbolic link")
	case !info.IsDir():
		return refuse("not a directory")
	}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
		return refuse("a git checkout")
	}
	for _, place := range []struct {
		find func() (string, error)
		name string
	}{{os.Getwd, "the working directory"}, {os.UserHomeDir, "your home folder"}} {
		path, err := place.find()
		if err != nil {
			continue // there is none
		}
		for ; ; path = filepath.Dir(path) {
			if other, err := os.Stat(path); err == nil && os.SameFile(info, other) {
				return refuse(place.name + ", or a folder above it")
			}
			if path == filepath.Dir(path) {
				break
			}
		}
	}
	return nil
}

// removeOwn removes what local made in a folder, and returns what else is in it.
// It follows no link and leaves what is mounted there.
func removeOwn(dir string) (left []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("empty data folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("empty data folder: %w", err)
	}
	here, err := device(dir)
	if err != nil {
		return nil, err
	}
	last := func(name string) int { return slices.Index([]string{stateFile, markerFile, lockFile}, name) }
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return last(a.Name()) - last(b.Name()) })
	for _, e := range entries {
		there, err := device(filepath.Join(dir, e.Name()))
		if err != nil {
			return left, err
		}
		if !isOwnEntry(e.Name()) || there != here {
			left = append(left, e.Name())
			continue
		}
		if err := root.RemoveAll(e.Name()); err != nil {
			return left, fmt.Errorf("empty data folder: %w", err)
		}
	}
	return left, nil
}

// device returns the number of the file system that holds a file.
func device(path string) (uint64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, fmt.Errorf("empty data folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("empty data folder: %s: unknown file system", path)
	}
	return uint64(st.Dev), nil //nolint:unconvert // its type differs between systems
}
