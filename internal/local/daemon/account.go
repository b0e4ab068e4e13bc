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

// Unprivileged returns the account that a server runs as when the caller is
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

// ID returns the account's user id, or the caller's if the account is nil.
func (a *Account) ID() int {
	if a == nil {
		return os.Geteuid()
	}
	return a.UID
}

// PrivateDir creates dir with mode 0700 for the account, or for the caller if
// the account is nil.
func PrivateDir(dir string, a *Account) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	if a != nil {
		if err := d.Chown(a.UID, a.GID); err != nil {
			return fmt.Errorf("give folder to %s: %w", a.Name, err)
		}
	}
	if err := d.Chmod(0o700); err != nil {
		return fmt.Errorf("make folder private: %w", err)
	}
	return passParents(dir, a)
}

// passParents verifies that the account can traverse the folders above dir. It
// makes the caller's folders inside the temporary directory traversable; for
// any other folder that the account cannot traverse it returns an error with
// the folder's path.
func passParents(dir string, a *Account) error {
	if a == nil {
		return nil
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
			return fmt.Errorf("check folder: user %s runs the server because you are root, and can't enter %s: choose another data folder with --data-dir", a.Name, up)
		}
		if err := openForPassing(up); err != nil {
			return fmt.Errorf("open folder for %s: %w", a.Name, err)
		}
	}
	return nil
}

// openForPassing lets other accounts traverse one of the caller's folders.
func openForPassing(dir string) error {
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if uid, _ := Owner(info); uid != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d", dir, uid)
	}
	return d.Chmod(info.Mode().Perm() | 0o011)
}

// GiveTree makes the account the owner of dir and everything in it. It does not
// follow symbolic links.
func GiveTree(dir string, a *Account) (err error) {
	if a == nil {
		return nil
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("give files to %s: %w", a.Name, err)
	}
	if !info.IsDir() {
		return os.Lchown(dir, a.UID, a.GID)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("give files to %s: %w", a.Name, err)
	}
	defer func() { err = joinClose(err, root) }()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, a.UID, a.GID)
	})
}
