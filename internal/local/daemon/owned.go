package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OwnDir makes dir a folder that only the caller can write to and, apart from
// the caller, only the account's group can traverse: mode 0700, or 0710 with an
// account. The account cannot replace entries of dir; its own files are in
// folders below. OwnDir takes over a folder that the account owns and rejects a
// folder of any other user.
func OwnDir(dir string, a *Account) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create folder: %w", err)
	}
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	info, err := d.Stat()
	if err != nil {
		return fmt.Errorf("check folder: %w", err)
	}
	uid, _ := Owner(info)
	if uid != os.Geteuid() && (a == nil || uid != a.UID) {
		return &OwnerError{Path: dir, UID: uid}
	}
	mode := fs.FileMode(0o700)
	if a != nil {
		mode = 0o710
		if err := d.Chown(os.Geteuid(), a.GID); err != nil {
			return fmt.Errorf("take over folder: %w", err)
		}
	}
	if err := d.Chmod(mode); err != nil {
		return fmt.Errorf("make folder private: %w", err)
	}
	return passParents(dir, a)
}

// OwnerError is a file or folder that belongs to another user, who could
// replace its content.
type OwnerError struct {
	Path string
	UID  int
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s belongs to user %d, not to you (%d)", e.Path, e.UID, os.Geteuid())
}

func (e *OwnerError) Hint() string {
	return "use a folder that you own, or inspect its content and change the owner with chown"
}

// KindError is a path that is not the expected regular file or folder: a link,
// a device, or a file with several hard links.
type KindError struct{ Path, Kind string }

func (e *KindError) Error() string { return e.Path + " is " + e.Kind }

func (e *KindError) Hint() string {
	return "streamctl did not create it: inspect and remove it"
}

// openDir opens a folder and rejects symbolic links.
func openDir(dir string) (*os.File, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|NoFollow|onlyFolder, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &KindError{Path: dir, Kind: "a link or a file, not a folder"}
	}
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return d, nil
}

// CheckDir verifies that dir is a folder (not a link) that belongs to the
// caller or the account.
func CheckDir(dir string, a *Account) error {
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only inspected
	info, err := d.Stat()
	if err != nil {
		return fmt.Errorf("check folder: %w", err)
	}
	if uid, _ := Owner(info); uid != os.Geteuid() && uid != a.ID() {
		return &OwnerError{Path: dir, UID: uid}
	}
	return nil
}

// CreateFile creates an empty file with mode 0600, open for reading and
// writing. It removes any existing entry of that name first, so that the target
// of a link is never touched.
func CreateFile(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|NoFollow, 0o600)
}

// WriteFile replaces a file in one of the caller's folders: mode 0600, or, with
// an account, 0640 and readable by its group.
func WriteFile(path string, content []byte, a *Account) (err error) {
	temporary := path + ".new"
	f, err := CreateFile(temporary)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil && a != nil {
		err = errors.Join(f.Chown(-1, a.GID), f.Chmod(0o640))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadFile reads a file that OpenFile opens, up to 16 MiB.
func ReadFile(path string, a *Account) ([]byte, error) {
	f, err := OpenFile(path, a)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	const most = 16 << 20
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(text) > most {
		err = &KindError{Path: path, Kind: "larger than 16 MiB"}
	}
	return text, err
}

// OpenFile opens a file of the caller or the account for reading. It rejects links,
// files with several hard links, anything that is not a regular file, and files of other
// users, so that a less trusted account cannot make its caller read another file.
func OpenFile(path string, a *Account) (*os.File, error) {
	return openOwn(path, os.O_RDONLY, a)
}

// AppendFile opens a file of the caller for appending, with mode 0600, and creates it if
// it is missing. It rejects what OpenFile rejects.
func AppendFile(path string) (*os.File, error) {
	f, err := openOwn(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, nil)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil {
		return nil, joinClose(err, f)
	}
	return f, nil
}

func openOwn(path string, flags int, a *Account) (*os.File, error) {
	f, err := os.OpenFile(path, flags|NoFollow|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, &KindError{Path: path, Kind: "a symbolic link"}
	}
	if err != nil {
		return nil, err
	}
	if err := checkFile(f, path, a); err != nil {
		return nil, joinClose(err, f)
	}
	return f, nil
}

// checkFile verifies that an open file is a regular one of the caller or the account.
func checkFile(f *os.File, path string, a *Account) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	uid, links := Owner(info)
	switch {
	case !info.Mode().IsRegular():
		return &KindError{Path: path, Kind: "not a file"}
	case links > 1:
		return &KindError{Path: path, Kind: "a file with several hard links"}
	case uid != os.Geteuid() && uid != a.ID():
		return &OwnerError{Path: path, UID: uid}
	}
	return nil
}

func joinClose(err error, c io.Closer) error { return errors.Join(err, c.Close()) }
