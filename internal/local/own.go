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

	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/logfile"
)

const (
	// markerFile marks a data folder; its content must be marker.
	markerFile = ".streamctl-local"
	marker     = "This is a data folder of `streamctl local`, version 1. `streamctl local --reset` empties it.\n"
	// ownKeys is the prefix of the access keys created for a data folder.
	ownKeys = "AKIALOCAL"
)

// ownEntries are the names of everything a data folder contains, as patterns of
// filepath.Match.
var ownEntries = [...]string{
	markerFile, lockFile, stateFile, "archive", "checkpoints", "postgres", "redis", "stream", "damage-*.json",
	pgpassFile, redisPasswordFile, "*.new", logfile.Name, logfile.Earlier,
}

func isOwnEntry(name string) bool {
	return slices.ContainsFunc(ownEntries[:], func(pattern string) bool {
		matched, err := filepath.Match(pattern, name)
		return err == nil && matched
	})
}

// content classifies a folder.
type content int

const (
	// empty is a folder that is missing or holds at most an unused lock file.
	empty content = iota
	// ours is a data folder of `streamctl local`.
	ours
	// foreign is anything else.
	foreign
)

// recognize classifies a folder by its content and changes nothing. A data
// folder has the marker with its exact content; one of an older version has a
// state.json with that version's fields, keys and values, and one of the known
// folders.
func recognize(dir string) (content, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return foreign, &FolderError{Dir: dir, What: err.Error(), Fix: "set --data-dir to a folder that you can read and write"}
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
		return foreign, nil //nolint:nilerr // an untrusted marker counts as none
	}
	if text, err = daemon.ReadFile(filepath.Join(dir, stateFile), nil); err != nil {
		return foreign, nil //nolint:nilerr // and so does an untrusted state file
	}
	return recognizeOld(dir, text), nil
}

// recognizeOld classifies a folder of a version that wrote no marker.
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

// foreignFolder returns an error that lists what the folder contains.
func foreignFolder(dir string) error {
	e := &FolderError{Dir: dir, Fix: "set --data-dir to an empty or new folder; nothing was changed"}
	holds := listed(dir)
	text, err := daemon.ReadFile(filepath.Join(dir, stateFile), nil)
	if errors.Is(err, fs.ErrNotExist) {
		e.What = "not a data folder of `streamctl local`: it has no " + stateFile + ". It contains " + holds
		return e
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	switch {
	case err != nil:
		e.What = stateFile + " is damaged, or this is not a data folder of `streamctl local`: " + err.Error() + ". The folder contains " + holds
		e.Fix = "restore it from a copy, or set --data-dir to another folder (--reset removes only what it recognizes); nothing was changed"
	case k.Format > format:
		e.What = fmt.Sprintf("made by another version of streamctl (format %d, this version uses %d), or not a data folder of `streamctl local`. It contains %s", k.Format, format, holds)
		e.Fix = "use that version, for --reset too, or set --data-dir to another folder; nothing was changed"
	default:
		e.What = "not a data folder of `streamctl local`: its " + stateFile + " belongs to another program. It contains " + holds
	}
	return e
}

// listed returns the names of up to five entries of a folder.
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

// Reset empties a data folder: it removes everything that `streamctl local`
// created there and returns the names of all other files, which stay, as does
// the folder itself. It rejects anything that is not a data folder, links, the
// home and working directories and the folders above them, and git checkouts.
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
		return &FolderError{Dir: dir, What: "not emptied: it is " + what, Fix: "set --data-dir to the data folder itself"}
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
			continue // it does not exist
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

// removeOwn removes what `streamctl local` created in a folder and returns the
// names of all other entries. It does not follow links and does not touch
// mounted file systems.
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

// device returns the device number of a file's file system.
func device(path string) (uint64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, fmt.Errorf("empty data folder: %w", err)
	}
	number, ok := daemon.Device(info)
	if !ok {
		return 0, fmt.Errorf("empty data folder: %s: unknown file system", path)
	}
	return number, nil
}
