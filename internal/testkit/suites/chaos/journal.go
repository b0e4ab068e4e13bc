package chaos

import (
	"strings"
	"sync"
)

// journal keeps the last lines of a run's log, for a failure's message.
type journal struct {
	mu    sync.Mutex
	lines []string
}

// journalLines is the number of lines to keep.
const journalLines = 30

// Write adds one line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lines = append(j.lines, string(line)); len(j.lines) > 2*journalLines {
		j.lines = append([]string{}, j.lines[journalLines:]...)
	}
	return len(line), nil
}

// String returns the kept lines.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "")
}
