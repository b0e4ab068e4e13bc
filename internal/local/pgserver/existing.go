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

// VersionError is a data folder that another major version made.
type VersionError struct {
	Dir           string
	Made, Program string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("data folder %s was made by PostgreSQL %s, and this machine's is %s", e.Dir, e.Made, e.Program)
}

// Hint is what helps.
func (e *VersionError) Hint() string {
	return "put PostgreSQL " + e.Made + " first in the PATH, or begin anew with another or an emptied folder"
}

// checkVersion refuses a folder that the binaries can't read.
func (c cluster) checkVersion(ctx context.Context, made string) error {
	out, err := daemon.Run(ctx, daemon.Spec{Path: filepath.Join(c.bin, "postgres"), Args: []string{"--version"}, Env: environment(), Dir: c.dir, Account: c.account})
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

// orphanTime is how long a server of an earlier start may take to end.
const orphanTime = 30 * time.Second

// endOrphan waits for a server that an earlier start of this folder left behind
// when it was killed. On Linux the kernel has told it to end already.
func (c cluster) endOrphan(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check for a running server: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !isPostgres(ctx, pid) {
		return nil // PostgreSQL itself knows what to do about the file
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the server of an earlier start: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, orphanTime, fmt.Errorf("process %d still runs on the folder", pid))
	defer cancel()
	for isPostgres(ctx, pid) {
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("end the server of an earlier start: %w", err)
		}
	}
	return nil
}

// isPostgres says that a process runs and is a postgres: a number may be
// another's by now.
func isPostgres(ctx context.Context, pid int) bool {
	name, err := daemon.Command(ctx, pid)
	return err == nil && strings.HasPrefix(name, "postgres")
}
