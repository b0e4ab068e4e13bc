package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func attributes(a *Account, orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a), Pdeathsig: orphaned}
}

// Using lists the account's processes whose working directory is dir or below
// it, or whose arguments mention it, with the program's name.
func Using(_ context.Context, dir string, a *Account) (map[int]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	found := map[int]string{}
	below := dir + string(filepath.Separator)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// Each of these files disappears when the process ends.
		at := filepath.Join("/proc", entry.Name())
		info, err := os.Stat(at)
		if err != nil {
			continue
		}
		if uid, _ := Owner(info); uid != a.ID() {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(at, "cwd"))
		arguments, _ := os.ReadFile(filepath.Join(at, "cmdline"))
		named := slices.ContainsFunc(bytes.Split(arguments, []byte{0}), func(arg []byte) bool {
			return string(arg) == dir || strings.HasPrefix(string(arg), below)
		})
		name, err := os.ReadFile(filepath.Join(at, "comm"))
		if err == nil && (named || cwd == dir || strings.HasPrefix(cwd, below)) {
			found[pid] = strings.TrimSpace(string(name))
		}
	}
	return found, nil
}

// StartTime returns a process's start time, which together with the process id
// identifies it. It returns an error if the process does not exist.
func StartTime(_ context.Context, pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name, in parentheses, may contain spaces. The start time is the 22nd
	// field. A process that has ended but was not reaped is in state Z.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, start = 0, 19
	if len(fields) <= start || fields[state] == "Z" {
		return "", os.ErrProcessDone
	}
	return fields[start], nil
}
