package daemon

import "syscall"

func attributes(a *Account, orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(a), Pdeathsig: orphaned}
}
