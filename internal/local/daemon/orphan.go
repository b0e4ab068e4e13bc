package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// WritePID records a process in a file of the caller's folder, for EndOrphan.
func WritePID(ctx context.Context, path string, pid int) error {
	started, err := StartTime(ctx, pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended already
	}
	return WriteFile(path, []byte(strconv.Itoa(pid)+" "+started+"\n"), nil)
}

// orphanTime is the time that an orphaned process of an earlier run has to end.
const orphanTime = 10 * time.Second

// EndOrphan ends the process recorded by WritePID if it still runs because its
// parent was killed. Process id and start time must both match. On Linux the
// kernel has already signaled it.
func EndOrphan(ctx context.Context, path string) error {
	text, err := ReadFile(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the server of an earlier start: %w", err)
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 1 {
		return nil //nolint:nilerr // damaged: the process cannot be found
	}
	ctx, cancel := context.WithTimeoutCause(ctx, orphanTime, fmt.Errorf("process %d of an earlier start still runs", pid))
	defer cancel()
	for signaled := false; ; signaled = true {
		now, err := StartTime(ctx, pid)
		if err != nil || now != started {
			return nil //nolint:nilerr // it has ended
		}
		if !signaled {
			if err := Signal(pid, syscall.SIGTERM); err != nil {
				return fmt.Errorf("stop the server of an earlier start: %w", err)
			}
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("stop the server of an earlier start: %w", err)
		}
	}
}
