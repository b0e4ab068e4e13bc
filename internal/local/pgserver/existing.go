package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/pause"
)

// VersionError is a data folder of another major version.
type VersionError struct {
	Dir           string
	Made, Program string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("data folder %s was created by PostgreSQL %s, but this machine has version %s", e.Dir, e.Made, e.Program)
}

func (e *VersionError) Hint() string {
	return "put PostgreSQL " + e.Made + " first in the PATH, or set --data-dir to another folder"
}

// check rejects a cluster that does not belong to the server's account, that
// another version created, or that lacks a file which every cluster has.
func (c cluster) check(ctx context.Context) error {
	if err := daemon.CheckDir(c.data(), c.account); err != nil {
		return err
	}
	path := filepath.Join(c.data(), "PG_VERSION")
	text, err := daemon.ReadFile(path, c.account)
	if errors.Is(err, fs.ErrNotExist) {
		return &DamageError{Dir: c.dir, Files: []string{path + ": missing"}}
	}
	if err != nil {
		return fmt.Errorf("check data folder: %w", err)
	}
	made := strings.TrimSpace(string(text))
	if _, err := strconv.ParseFloat(made, 64); err != nil {
		return &DamageError{Dir: c.dir, Files: []string{fmt.Sprintf("%s: %q is not a version", path, made)}}
	}
	out, err := daemon.Run(ctx, daemon.Spec{Path: filepath.Join(c.bin, "postgres"), Args: []string{"--version"}, Env: daemon.Environment(), Dir: c.dir, Account: c.account})
	if err != nil {
		return err
	}
	// postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
	_, version, _ := strings.Cut(string(out), ") ")
	if major, _, _ := strings.Cut(strings.TrimSpace(version), "."); major != made {
		return &VersionError{Dir: c.dir, Made: made, Program: major}
	}
	return nil
}

// essential are the files that a cluster needs to start.
var essential = [...]string{"PG_VERSION", "global/pg_control", "postgresql.conf"}

// discardUnusable removes a cluster without an essential file, which an
// interrupted start of an older version leaves. Nothing was stored in it.
func (c cluster) discardUnusable() error {
	for _, name := range essential {
		_, err := os.Lstat(filepath.Join(c.data(), name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			if err := os.RemoveAll(c.data()); err != nil {
				return fmt.Errorf("remove the unfinished data folder: %w", err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("check data folder: %w", err)
		}
	}
	return nil
}

// orphanTime is how long a server of an earlier start may take to stop.
const orphanTime = 30 * time.Second

// endOrphans ends the processes that an earlier start of this folder left
// behind when it was killed: servers with a fast shutdown, initdb with SIGKILL.
// On Linux the kernel has already signaled them. It does not touch processes of
// other accounts or folders.
func (c cluster) endOrphans(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, orphanTime, errors.New("processes of an earlier start are still running in "+c.dir))
	defer cancel()
	signaled := map[int]bool{}
	for {
		all, err := daemon.Using(ctx, c.dir, c.account)
		if err != nil {
			return fmt.Errorf("stop the server of an earlier start: %w", err)
		}
		running := 0
		for pid, name := range all {
			signal := syscall.SIGINT
			switch {
			case strings.HasPrefix(name, "initdb"):
				signal = syscall.SIGKILL
			case !strings.HasPrefix(name, "postgres"):
				continue // such as a shell in the folder
			}
			running++
			if signaled[pid] {
				continue
			}
			signaled[pid] = true
			if err := daemon.Signal(pid, signal); err != nil {
				return fmt.Errorf("stop the server of an earlier start: %w", err)
			}
		}
		if running == 0 {
			return c.removePIDFile()
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("stop the server of an earlier start: %w", err)
		}
	}
}

// removePIDFile removes the file that a killed server left: no process uses the
// folder, but the process id in the file may by now belong to another process,
// or be damaged.
func (c cluster) removePIDFile() error {
	if _, err := os.Lstat(c.data()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := daemon.CheckDir(c.data(), c.account); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(c.data(), "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old postmaster.pid: %w", err)
	}
	return nil
}
