//go:build !linux

package fake

import "syscall"

// childAttributes sets nothing: on other systems a child can outlive a parent
// that is killed.
func childAttributes() *syscall.SysProcAttr { return nil }
