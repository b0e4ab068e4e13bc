package send

import (
	"bufio"
	"io"
)

// Lines reads newline-delimited JSON. Blank lines are skipped.
func Lines(r io.Reader) Source {
	return newDocuments(bufio.NewReaderSize(r, 64<<10), Input{Name: "input"})
}
