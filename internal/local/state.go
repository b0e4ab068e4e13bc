package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// format is the version of what the data folder holds. One of another version
// is refused: it is never guessed at.
const format = 1

// state is a data folder and what it says of itself.
type state struct {
	dir  string
	lock *os.File
	kept
}

// kept is the folder's state.json.
type kept struct {
	Format int `json:"format"`
	// Password is the database master's.
	Password string `json:"password"`
	// AccessKeyID and SecretAccessKey are whom --auth iam lets in.
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	// Database says that the database was made whole.
	Database bool `json:"database"`
}

// FolderError is a data folder that can't be used as it is.
type FolderError struct {
	Dir  string
	What string
	// Fix is what helps.
	Fix string
}

func (e *FolderError) Error() string { return "data folder " + e.Dir + ": " + e.What }

// Hint is what helps.
func (e *FolderError) Hint() string { return e.Fix }

// Reset removes a data folder of ours, and nothing else.
func Reset(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reset data folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, stateFile)); err != nil {
		return &FolderError{Dir: dir, What: "not emptied, for it has no " + stateFile + ": it is none of ours", Fix: "name another with --data-dir"}
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}

const (
	stateFile = "state.json"
	lockFile  = "lock"
)

// openState opens a data folder, which is made when missing, for this process
// alone.
func openState(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "name one that you may write to with --data-dir"}
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: lock}
	if err := s.read(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "name one that you may write to with --data-dir"}
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err := &FolderError{Dir: dir, What: "another streamctl is running on it", Fix: "stop that one, or name another folder with --data-dir"}
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (s *state) read() error {
	text, err := os.ReadFile(s.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s.begin()
	}
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	if err := json.Unmarshal(text, &s.kept); err != nil {
		return &FolderError{Dir: s.dir, What: stateFile + " is damaged: " + err.Error(), Fix: "--reset begins anew and drops what is there"}
	}
	if s.Format != format {
		return &FolderError{
			Dir: s.dir, What: fmt.Sprintf("made by another version of streamctl (format %d, this one has %d)", s.Format, format),
			Fix: "use that version, name another folder with --data-dir, or begin anew with --reset, which drops what is there",
		}
	}
	return nil
}

// begin makes the folder's secrets, unless it holds something else.
func (s *state) begin() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	if len(entries) > 1 { // the lock is there
		return &FolderError{Dir: s.dir, What: "it holds files and no " + stateFile, Fix: "name an empty or a new one with --data-dir"}
	}
	s.kept = kept{Format: format, Password: rand.Text(), AccessKeyID: "AKIALOCAL" + rand.Text()[:11], SecretAccessKey: (rand.Text() + rand.Text())[:40]}
	return s.save()
}

func (s *state) save() error {
	text, err := json.MarshalIndent(s.kept, "", "  ")
	if err != nil {
		return fmt.Errorf("write data folder: %w", err)
	}
	if err := durable.WriteFile(s.path(stateFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write data folder: %w", err)
	}
	return nil
}

func (s *state) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// close lets another process use the folder.
func (s *state) close() error { return s.lock.Close() }
