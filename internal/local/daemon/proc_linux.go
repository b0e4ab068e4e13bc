package daemon

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
)

func attributes(a *Account, orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a), Pdeathsig: orphaned}
}

// Command is the name of the program that a process runs; an error where there
// is no such process.
func Command(_ context.Context, pid int) (string, error) {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name)), err
}
