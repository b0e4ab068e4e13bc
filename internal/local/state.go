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

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/pgserver"
)

// format is the version of the data folder's content. Any other version is
// rejected.
const format = 1

// state is an open data folder with the content of its state.json.
type state struct {
	dir  string
	lock *os.File
	mu   sync.Mutex // guards kept
	kept
}

// kept is the content of state.json.
type kept struct {
	Format int `json:"format"`
	// Password is the database master user's password.
	Password string `json:"password"`
	// AccessKeyID and SecretAccessKey are the credentials for --auth iam.
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	// RedisPassword is required from every client of Valkey or Redis.
	RedisPassword string `json:"redisPassword"`
	// WriteKey is the key for apps and pages of this machine.
	WriteKey string `json:"writeKey,omitempty"`
	// UserIDSecret is the secret for hashing user ids.
	UserIDSecret string `json:"userIdSecret,omitempty"`
	// DatabasePort and RedisPort are the ports of the last start, used again if
	// they are free; 0 means none yet.
	DatabasePort int `json:"databasePort,omitempty"`
	RedisPort    int `json:"redisPort,omitempty"`
	// Database is set once roles and database exist: from then on events may be
	// stored.
	Database bool `json:"database"`
}

// FolderError is a data folder that can't be used in its current state.
type FolderError struct {
	Dir  string
	What string
	Fix  string
}

func (e *FolderError) Error() string { return "data folder " + e.Dir + ": " + e.What }

func (e *FolderError) Hint() string { return e.Fix }

// Names of the folder's own files, apart from the marker.
const (
	stateFile = "state.json"
	lockFile  = "lock"
)

// openState opens a data folder for this process alone and creates it if it is
// missing. It rejects any other folder before it writes anything.
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
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "set --data-dir to a folder that you can write to"}
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
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR|daemon.NoFollow, 0o600)
	if err != nil {
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "set --data-dir to a folder that you can write to"}
	}
	if err := daemon.Lock(lock); err != nil {
		err := &FolderError{Dir: dir, What: "another streamctl process is using it", Fix: "stop that process, or set --data-dir to another folder"}
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// read reads the folder's secrets and creates missing ones: an older version
// may not have had them, or the first start was interrupted.
func (s *state) read() error {
	text, err := daemon.ReadFile(s.path(stateFile), nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read data folder: %w", err)
	}
	if err != nil {
		// Without state.json the database's data may still exist: keep it.
		_, dataErr := os.Lstat(s.path("postgres", "data"))
		s.kept = kept{Format: format, Database: dataErr == nil}
	} else if err := json.Unmarshal(text, &s.kept); err != nil {
		return &FolderError{Dir: s.dir, What: stateFile + " is damaged: " + err.Error(), Fix: "restore it from a copy, or start over with --reset, which deletes the folder's data"}
	}
	if s.Format != format {
		return &FolderError{
			Dir: s.dir, What: fmt.Sprintf("made by another version of streamctl (format %d, this version uses %d)", s.Format, format),
			Fix: "use that version, set --data-dir to another folder, or start over with --reset, which deletes the folder's data",
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
	if s.WriteKey == "" {
		s.WriteKey, _ = contract.NewWriteKey()
	}
	if s.UserIDSecret == "" {
		s.UserIDSecret = contract.NewUserIDSecret()
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" {
		s.AccessKeyID, s.SecretAccessKey = ownKeys+rand.Text()[:11], (rand.Text() + rand.Text())[:40]
	}
	return s.save()
}

// update changes and saves the state. It is safe for concurrent use: PostgreSQL
// and Redis are started concurrently.
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

// close releases the folder for other processes.
func (s *state) close() error { return s.lock.Close() }
