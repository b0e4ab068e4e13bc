package fake

import "syscall"

// childAttributes makes the kernel end a bootstrap when this process dies.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
