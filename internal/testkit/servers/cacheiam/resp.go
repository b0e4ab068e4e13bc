package cacheiam

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// redis-server's limits for one command.
const (
	maxArguments = 1 << 20
	maxArgument  = 512 << 20 // bytes
)

// reader reads clients' commands.
type reader struct{ in *bufio.Reader }

func newReader(r io.Reader) *reader { return &reader{bufio.NewReader(r)} }

// read returns one command: an array of bulk strings, or a line of words.
func (r *reader) read() ([]string, error) {
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	count, isArray := strings.CutPrefix(line, "*")
	if !isArray {
		return strings.Fields(line), nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxArguments {
		return nil, fmt.Errorf("read command: invalid count %q", count)
	}
	command := make([]string, 0, min(n, 64))
	for range n {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		size, isBulk := strings.CutPrefix(line, "$")
		length, err := strconv.Atoi(size)
		if !isBulk || err != nil || length < 0 || length > maxArgument {
			return nil, fmt.Errorf("read command: invalid length %q", line)
		}
		argument := make([]byte, length+2)
		if _, err := io.ReadFull(r.in, argument); err != nil {
			return nil, fmt.Errorf("read command: %w", err)
		}
		command = append(command, string(argument[:length]))
	}
	return command, nil
}

func (r *reader) line() (string, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read command: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func encode(command []string) []byte {
	out := fmt.Appendf(nil, "*%d\r\n", len(command))
	for _, argument := range command {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(argument), argument)
	}
	return out
}
