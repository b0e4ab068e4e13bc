//go:build unix && !linux

package daemon

import "syscall"

// Other systems have no signal for an orphan.
func attributes(a *Account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a)}
}
