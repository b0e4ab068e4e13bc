//go:build unix

package daemon

import (
	"io/fs"
	"syscall"
)

func credential(a *Account) *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
}

// owner returns the user id of a file and its number of hard links.
func owner(info fs.FileInfo) (uid, links int) {
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
