package send

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// File keeps events that weren't accepted in two files: rejected lines as they were
// read, and events without a response with their identity, so that resending that file
// duplicates nothing. It never overwrites a file.
type File struct {
	// Name is the prefix of both files' names.
	Name string

	mu          sync.Mutex
	bad, unsent lineFile
}

// lineFile is a file that is created with its first line, or by create.
type lineFile struct {
	path  string
	file  *os.File
	lines int
	size  int64
}

// maxNames bounds the search for a free name.
const maxNames = 1000

// create makes a new file: name, or name.1, name.2 and so on.
func (l *lineFile) create(name string) (err error) {
	for n := range maxNames {
		l.path = name
		if n > 0 {
			l.path = fmt.Sprintf("%s.%d", name, n)
		}
		if l.file, err = os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return err
}

func (l *lineFile) write(name string, text []byte) error {
	if l.file == nil {
		if err := l.create(name); err != nil {
			return err
		}
	}
	// Each line is written separately, so that an error concerns this event and not
	// buffered ones, and leaves no partial line.
	n, err := l.file.Write(append(append(make([]byte, 0, len(text)+1), text...), '\n'))
	if err != nil {
		return errors.Join(err, l.file.Truncate(l.size))
	}
	l.lines, l.size = l.lines+1, l.size+int64(n)
	return nil
}

// close closes the file, and removes an empty one.
func (l *lineFile) close() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.file.Sync(), l.file.Close())
	if l.lines == 0 {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// Begin creates the file for unsent events, so that a folder without write permission
// is an error before anything is sent. After kill -9 the file stays.
func (f *File) Begin() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsent.create(f.Name + ".unsent")
}

// Bad keeps a line that can't be accepted.
func (f *File) Bad(_ int, text []byte, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad.write(f.Name+".rejected", text)
}

// Unsent keeps an event without a response.
func (f *File) Unsent(i Item) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsent.write(f.Name+".unsent", i.AppendJSON(nil))
}

// Close closes the files and returns the paths of those that have lines.
func (f *File) Close() (bad, unsent string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bad.lines > 0 {
		bad = f.bad.path
	}
	if f.unsent.lines > 0 {
		unsent = f.unsent.path
	}
	return bad, unsent, errors.Join(f.bad.close(), f.unsent.close())
}
