package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// maxLine bounds a line; a longer one is cut into several.
const maxLine = 1 << 20

// Reader reads the lines of a log, also while a platform writes it. It is not safe for
// concurrent use.
type Reader struct {
	dir  string
	file *os.File // the last file that was read, at the position of the next line
	rest []byte   // a line without its end
}

// NewReader returns a reader of the log in a data folder.
func NewReader(dir string) *Reader { return &Reader{dir: dir} }

// Read calls show for every line that no earlier Read has shown, in the order of the log.
// A folder without a log has no lines.
func (r *Reader) Read(show func(line string) error) error {
	for {
		if r.file != nil {
			if err := r.drain(show); err != nil {
				return err
			}
		}
		follows, err := r.next()
		if err != nil || follows == nil {
			return err
		}
		if r.file != nil { // lines that were written before the rotation
			if err = r.drain(show); err == nil && len(r.rest) > 0 {
				err = show(string(r.rest))
			}
			r.rest = nil
		}
		err = errors.Join(err, closeFile(r.file))
		r.file = follows
		if err != nil {
			return err
		}
	}
}

// next opens the file after the current one; it returns nil if there is none yet.
func (r *Reader) next() (*os.File, error) {
	current, err := r.open(Name) // before the earlier one, which it may become now
	if err != nil {
		return nil, err
	}
	earlier, err := r.open(Earlier)
	if err != nil {
		return nil, errors.Join(err, closeFile(current))
	}
	follows, err := r.follows(earlier, current)
	for _, f := range []*os.File{earlier, current} {
		if f != follows {
			err = errors.Join(err, closeFile(f))
		}
	}
	return follows, err
}

// follows returns the file to read after the current one; nil if there is none yet.
func (r *Reader) follows(earlier, current *os.File) (*os.File, error) {
	order := []*os.File{earlier, current}
	if earlier == nil {
		order = order[1:]
	}
	if current == nil {
		order = order[:len(order)-1]
	}
	if r.file == nil && len(order) > 0 {
		return order[0], nil
	}
	for i, f := range order {
		same, err := sameFile(r.file, f)
		if err != nil {
			return nil, err
		}
		if !same {
			continue
		}
		if i+1 == len(order) {
			return nil, nil
		}
		if same, err = sameFile(f, order[i+1]); same || err != nil {
			return nil, err // it was renamed a moment ago
		}
		return order[i+1], nil
	}
	if len(order) == 0 {
		return nil, nil
	}
	return order[0], nil // the log has rotated more than once since
}

func sameFile(a, b *os.File) (bool, error) {
	x, err := a.Stat()
	if err != nil {
		return false, err
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y), err
}

func (r *Reader) open(name string) (*os.File, error) {
	f, err := daemon.OpenFile(filepath.Join(r.dir, name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return f, nil
}

// drain reads the current file to its end.
func (r *Reader) drain(show func(string) error) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := r.file.Read(buffer)
		r.rest = append(r.rest, buffer[:n]...)
		left := r.rest
		for {
			line, after, ended := bytes.Cut(left, []byte("\n"))
			if !ended && len(line) <= maxLine {
				break
			}
			left = after
			if len(line) == 0 {
				continue
			}
			if err := show(string(line)); err != nil {
				return err
			}
		}
		r.rest = append(r.rest[:0], left...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
	}
}

// Close closes the log.
func (r *Reader) Close() error {
	err := closeFile(r.file)
	r.file = nil
	return err
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}
