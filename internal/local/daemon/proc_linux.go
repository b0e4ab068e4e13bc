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

// Using lists the processes of the account that work in dir or a folder below
// it, or name it in their arguments, with the name of their program.
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
		// Any of these files is gone when the process has ended.
		at := filepath.Join("/proc", entry.Name())
		info, err := os.Stat(at)
		if err != nil {
			continue
		}
		if uid, _ := owner(info); uid != a.ID() {
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

// StartTime identifies a process together with its number; an error if there is no
// such process.
func StartTime(_ context.Context, pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name, in parentheses, may hold spaces. The start is the 22nd field; an ended
	// process that nobody waited for is in state Z.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, start = 0, 19
	if len(fields) <= start || fields[state] == "Z" {
		return "", os.ErrProcessDone
	}
	return fields[start], nil
}
