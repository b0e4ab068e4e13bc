// Package logfile keeps the log of `streamctl local` in its data folder, in two files of
// bounded size.
package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Names of the files: the current one, and the one before it.
const (
	Name    = "functions.log"
	Earlier = "functions.log.1"
)

// maxBytes is the size at which the current file becomes the earlier one: together the
// files have at most 16 MB and a line.
const maxBytes = 8 << 20

// File is the log that a platform writes. It is safe for concurrent use.
type File struct {
	dir string

	mu   sync.Mutex
	file *os.File // nil after a failed rotation
	size int64
}

// Open opens the log of a folder that only the caller can write to, for appending.
func Open(dir string) (*File, error) {
	f := &File{dir: dir}
	return f, f.open()
}

func (f *File) open() error {
	file, err := daemon.AppendFile(filepath.Join(f.dir, Name))
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, info.Size()
	if f.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], f.size-1); err != nil {
		return errors.Join(err, file.Close())
	}
	if last[0] != '\n' { // the end of an interrupted write
		f.size++
		if _, err := file.Write([]byte("\n")); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return nil
}

// Write appends a line, with its newline.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.size+int64(len(line)) > maxBytes && f.size > 0 {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return n, err
}

func (f *File) rotate() error {
	err := f.file.Close()
	f.file = nil
	if err == nil {
		err = os.Rename(filepath.Join(f.dir, Name), filepath.Join(f.dir, Earlier))
	}
	if err != nil {
		return fmt.Errorf("rotate the log: %w", err)
	}
	return nil
}

// Close closes the log.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
