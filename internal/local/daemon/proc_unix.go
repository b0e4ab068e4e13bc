//go:build unix

package daemon

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	// NoFollow is the flag with which opening a symbolic link fails.
	NoFollow   = syscall.O_NOFOLLOW
	onlyFolder = syscall.O_DIRECTORY
)

// Signal sends a signal to a process. It returns nil if the process has ended.
func Signal(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func credential(a *Account) *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
}

// Owner returns the user id of a file and its number of hard links.
func Owner(info fs.FileInfo) (uid, links int) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, 0
	}
	return int(st.Uid), int(st.Nlink)
}

// passable reports whether the account may traverse the folder.
func passable(info fs.FileInfo, a *Account) bool {
	mode := info.Mode().Perm()
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(st.Uid) == a.UID:
		return mode&0o100 != 0
	case ok && int(st.Gid) == a.GID:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// Device returns the device number of a file's file system; ok is false if it is
// unknown.
func Device(info fs.FileInfo) (device uint64, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Dev), true //nolint:unconvert // its type differs between systems
}

// Lock takes the lock of an open file, or returns an error if another process has it.
func Lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
