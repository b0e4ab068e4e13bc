package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/pgserver"
)

// format is the version of what the data folder holds. One of another version
// is refused: it is never guessed at.
const format = 1

// state is a data folder and what it says of itself.
type state struct {
	dir  string
	lock *os.File
	mu   sync.Mutex // of changes to kept
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
	// RedisPassword is asked of every client of Valkey or Redis.
	RedisPassword string `json:"redisPassword"`
	// DatabasePort and RedisPort are the ports of the last start, taken again if
	// they are free; 0 is none yet.
	DatabasePort int `json:"databasePort,omitempty"`
	RedisPort    int `json:"redisPort,omitempty"`
	// Database is set when roles and database were made: events may be stored.
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

// stateFile, lockFile and the marker are the folder's own files.
const (
	stateFile = "state.json"
	lockFile  = "lock"
)

// openState opens a data folder, which is made if it is missing, for this process
// alone. A folder that isn't ours is refused before anything is written.
func openState(dir string) (*state, error) {
	found, err := recognize(dir)
	if err != nil {
		return nil, err
	}
	if found == foreign {
		return nil, foreignFolder(dir)
	}
	account, err := pgserver.Account()
	if err != nil {
		return nil, err
	}
	if err := daemon.OwnDir(dir, account); err != nil {
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			return nil, err
		}
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
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "name one that you may write to with --data-dir"}
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err := &FolderError{Dir: dir, What: "another streamctl is running on it", Fix: "stop that one, or name another folder with --data-dir"}
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// read reads the folder's secrets. Those that are missing are made: an older
// version didn't know them, or the first start was interrupted.
func (s *state) read() error {
	text, err := daemon.ReadFile(s.path(stateFile), nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read data folder: %w", err)
	}
	if err != nil {
		// Without it the database's data may be there: it is kept.
		_, dataErr := os.Lstat(s.path("postgres", "data"))
		s.kept = kept{Format: format, Database: dataErr == nil}
	} else if err := json.Unmarshal(text, &s.kept); err != nil {
		return &FolderError{Dir: s.dir, What: stateFile + " is damaged: " + err.Error(), Fix: "put a copy back, or start over with --reset, which drops what is there"}
	}
	if s.Format != format {
		return &FolderError{
			Dir: s.dir, What: fmt.Sprintf("made by another version of streamctl (format %d, this one has %d)", s.Format, format),
			Fix: "use that version, name another folder with --data-dir, or start over with --reset, which drops what is there",
		}
	}
	if err := daemon.WriteFile(s.path(markerFile), []byte(marker), nil); err != nil {
		return fmt.Errorf("mark data folder: %w", err)
	}
	for _, secret := range []*string{&s.Password, &s.RedisPassword} {
		if *secret == "" {
			*secret = rand.Text()
		}
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" {
		s.AccessKeyID, s.SecretAccessKey = ownKeys+rand.Text()[:11], (rand.Text() + rand.Text())[:40]
	}
	return s.save()
}

// update changes what is kept; PostgreSQL and Redis are started at the same time.
func (s *state) update(change func(*kept)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.kept)
	return s.save()
}

func (s *state) save() error {
	text, err := json.MarshalIndent(s.kept, "", "  ")
	if err != nil {
		return fmt.Errorf("write data folder: %w", err)
	}
	if err := daemon.WriteFile(s.path(stateFile), append(text, '\n'), nil); err != nil {
		return fmt.Errorf("write data folder: %w", err)
	}
	return nil
}

func (s *state) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// close lets another process use the folder.
func (s *state) close() error { return s.lock.Close() }
