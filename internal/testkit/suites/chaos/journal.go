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

// journalLines is how many lines are kept.
const journalLines = 30

// Write takes one line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lines = append(j.lines, string(line)); len(j.lines) > 2*journalLines {
		j.lines = append([]string{}, j.lines[journalLines:]...)
	}
	return len(line), nil
}

// String is what was kept.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "")
}
