package send

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Reader decodes UTF-16 with a byte-order mark. Invalid UTF-16 is an error: a
// replacement character would merge different users.
type utf16Reader struct {
	r      *bufio.Reader
	little bool
	read   bool   // the byte-order mark was read
	out    []byte // decoded and not returned yet
	line   int
	err    error
}

func newUTF16(r *bufio.Reader) *utf16Reader { return &utf16Reader{r: r, line: 1} }

// Read returns UTF-8.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) < len(p) && u.err == nil {
		if u.r.Buffered() < 2 && len(u.out) > 0 {
			break // the next read may block
		}
		u.err = u.decode()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	if n == 0 && len(p) > 0 {
		return 0, u.err
	}
	return n, nil
}

// decode appends one character to out.
func (u *utf16Reader) decode() error {
	r, err := u.unit()
	if err != nil {
		return err
	}
	if !u.read {
		u.read, u.little = true, r == 0xfffe
		return nil
	}
	if utf16.IsSurrogate(rune(r)) {
		low, err := u.unit()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		decoded := utf16.DecodeRune(rune(r), rune(low))
		if decoded == utf8.RuneError {
			return u.invalid("half of a surrogate pair")
		}
		u.out = utf8.AppendRune(u.out, decoded)
		return nil
	}
	if r == '\n' {
		u.line++
	}
	u.out = utf8.AppendRune(u.out, rune(r))
	return nil
}

func (u *utf16Reader) invalid(what string) error {
	return &InputError{Line: u.line, Err: errors.New("invalid UTF-16: " + what)}
}

// unit reads two bytes.
func (u *utf16Reader) unit() (uint16, error) {
	first, err := u.r.ReadByte()
	if err != nil {
		return 0, err
	}
	second, err := u.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, u.invalid("an odd number of bytes")
	}
	if err != nil {
		return 0, err
	}
	if u.little {
		first, second = second, first
	}
	return uint16(first)<<8 | uint16(second), nil
}
