//go:build !linux

package fake

import "syscall"

// childAttributes has nothing to set: elsewhere a child can outlive a parent
// that is killed.
func childAttributes() *syscall.SysProcAttr { return nil }
