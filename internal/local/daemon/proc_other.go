//go:build unix && !linux

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes ignores the signal: only Linux can signal an orphan.
func attributes(a *Account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a)}
}

// Using lists the account's processes whose arguments mention dir or a folder
// below it, with the program's name.
func Using(ctx context.Context, dir string, a *Account) (map[int]string, error) {
	out, err := Run(ctx, Spec{Path: "/bin/ps", Args: []string{"-axo", "pid=,uid=,command="}})
	if err != nil {
		return nil, err
	}
	found := map[int]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err != nil || pid == os.Getpid() || fields[1] != strconv.Itoa(a.ID()) {
			continue
		}
		if strings.Contains(line, " "+dir+"/") || strings.Contains(strings.TrimSpace(line)+" ", " "+dir+" ") {
			found[pid] = filepath.Base(fields[2])
		}
	}
	return found, nil
}

// StartTime returns a process's start time, which together with the process id
// identifies it. It returns an error if the process does not exist.
func StartTime(ctx context.Context, pid int) (string, error) {
	out, err := Run(ctx, Spec{Path: "/bin/ps", Args: []string{"-p", strconv.Itoa(pid), "-o", "lstart="}})
	return strings.TrimSpace(string(out)), err
}
