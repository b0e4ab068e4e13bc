package send

import (
	"bufio"
	"errors"
	"os"
	"sync"
)

// File keeps rejects in two files, each made with its first line: what can't be
// accepted as it was read, and what got no answer, with its identity, so that
// sending that file again counts nothing twice.
type File struct {
	// BadPath and UnsentPath are written over.
	BadPath, UnsentPath string

	mu          sync.Mutex
	bad, unsent *lineFile
}

type lineFile struct {
	file *os.File
	w    *bufio.Writer
}

func (l *lineFile) write(path string, text []byte) (*lineFile, error) {
	if l == nil {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		l = &lineFile{file, bufio.NewWriter(file)}
	}
	_, err := l.w.Write(text)
	return l, errors.Join(err, l.w.WriteByte('\n'))
}

func (l *lineFile) close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.w.Flush(), l.file.Sync(), l.file.Close())
}

// Bad keeps a line that can't be accepted.
func (f *File) Bad(_ int, text []byte, _ string) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad, err = f.bad.write(f.BadPath, text)
	return err
}

// Unsent keeps an event that got no answer.
func (f *File) Unsent(i Item) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsent, err = f.unsent.write(f.UnsentPath, i.AppendJSON(nil))
	return err
}

// Close finishes the files; it tells which of them there are.
func (f *File) Close() (bad, unsent bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad != nil, f.unsent != nil, errors.Join(f.bad.close(), f.unsent.close())
}
