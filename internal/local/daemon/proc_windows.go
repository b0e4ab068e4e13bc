package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// NoFollow and onlyFolder have no counterpart: local.Start returns an error on Windows
// before it opens a file.
const NoFollow, onlyFolder = 0, 0

func attributes(*Account, syscall.Signal) *syscall.SysProcAttr { return nil }

// Signal returns errors.ErrUnsupported.
func Signal(int, syscall.Signal) error { return errors.ErrUnsupported }

func passable(fs.FileInfo, *Account) bool { return true }

// Owner returns the user id that os.Geteuid returns on Windows.
func Owner(fs.FileInfo) (uid, links int) { return -1, 1 }

// Using returns errors.ErrUnsupported.
func Using(context.Context, string, *Account) (map[int]string, error) {
	return nil, errors.ErrUnsupported
}

// StartTime returns errors.ErrUnsupported.
func StartTime(context.Context, int) (string, error) { return "", errors.ErrUnsupported }

// Device returns false.
func Device(fs.FileInfo) (device uint64, ok bool) { return 0, false }

// Lock returns errors.ErrUnsupported.
func Lock(*os.File) error { return errors.ErrUnsupported }
