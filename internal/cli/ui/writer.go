package ui

import (
	"io"
	"sync"
	"unicode/utf8"
)

// Writer writes text for people. It shows the text as Text does, so that it can't
// control a terminal. After the first error it writes nothing; Err returns that error.
// It is safe for concurrent use.
type Writer struct {
	out io.Writer

	mu   sync.Mutex
	part []byte // the start of a character whose other bytes are not written yet
	err  error
}

// NewWriter makes a Writer in front of a stream.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write shows text.
func (w *Writer) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(w.part, text...)
	end := len(all)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(all[i]) && !utf8.FullRune(all[i:]) {
			end = i
			break
		}
	}
	w.part = append([]byte{}, all[end:]...)
	if err := w.write(Text(string(all[:end]))); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (w *Writer) write(text string) error {
	if w.err != nil || text == "" {
		return w.err
	}
	n, err := io.WriteString(w.out, text)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	w.err = err
	return err
}

// Raw writes this program's own colors and cursor movements. Text from elsewhere must
// pass through Text or Line first.
func (w *Writer) Raw(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(text)
}

// Err writes the remaining bytes and returns the first error of all writes.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	part := string(w.part)
	w.part = nil
	return w.write(Text(part))
}

// Raw returns a stream for text with colors and cursor movements: a Writer's Raw, or
// any other stream itself.
func Raw(out io.Writer) io.Writer {
	if w, ok := out.(*Writer); ok {
		return raw{w}
	}
	return out
}

type raw struct{ w *Writer }

func (r raw) Write(text []byte) (int, error) {
	if err := r.w.Raw(string(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// JSONWriter escapes the hidden characters of JSON texts, each of which is written
// with one call, such as the lines of a log.
func JSONWriter(out io.Writer) io.Writer { return jsonWriter{out} }

type jsonWriter struct{ out io.Writer }

func (j jsonWriter) Write(text []byte) (int, error) {
	if _, err := j.out.Write(JSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
