//go:build unix && !linux

package daemon

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Other systems have no signal for an orphan.
func attributes(a *Account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a)}
}

// Command is the name of the program that a process runs; an error where there
// is no such process.
func Command(ctx context.Context, pid int) (string, error) {
	out, err := Run(ctx, Spec{Path: "/bin/ps", Args: []string{"-p", strconv.Itoa(pid), "-o", "comm="}})
	return filepath.Base(strings.TrimSpace(string(out))), err
}
