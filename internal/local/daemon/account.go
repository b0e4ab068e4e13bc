package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// Account is an unprivileged user of the machine.
type Account struct {
	Name     string
	UID, GID int
}

// Unprivileged gives the account that a server runs as when the caller is
// root: the first of names that exists. For any other caller it is nil.
func Unprivileged(names ...string) (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		if uid != 0 {
			return &Account{Name: name, UID: uid, GID: gid}, nil
		}
	}
	return nil, fmt.Errorf("look up an unprivileged user: none of %s exists", strings.Join(names, ", "))
}

// PrivateDir makes dir with mode 0700 for the account. Folders above it inside
// the machine's temporary folder are opened for passing through; one elsewhere
// that the account can't pass is an error that names it.
func PrivateDir(dir string, a *Account) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if a == nil {
		return nil
	}
	if err := os.Lchown(dir, a.UID, a.GID); err != nil {
		return fmt.Errorf("give folder to %s: %w", a.Name, err)
	}
	tmp := filepath.Clean(os.TempDir())
	for up := filepath.Dir(dir); up != filepath.Dir(up); up = filepath.Dir(up) {
		info, err := os.Stat(up)
		if err != nil {
			return fmt.Errorf("check folder: %w", err)
		}
		if passable(info, a) {
			continue
		}
		if !strings.HasPrefix(up, tmp+string(filepath.Separator)) {
			return fmt.Errorf("check folder: user %s, who runs the server because you are root, can't enter %s: use a data folder elsewhere", a.Name, up)
		}
		if err := os.Chmod(up, info.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("open folder for %s: %w", a.Name, err)
		}
	}
	return nil
}

// GiveTree makes the account the owner of dir and all that is in it.
func GiveTree(dir string, a *Account) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.UID, a.GID)
	})
}
