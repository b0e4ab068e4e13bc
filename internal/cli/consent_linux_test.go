package cli_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli/ui"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// session runs streamctl as a process whose standard input and standard error are a
// terminal of 80 columns, as a shell would.
type session struct {
	t        *testing.T
	keyboard *os.File

	mu     sync.Mutex
	screen strings.Builder
	more   chan struct{}
	ended  chan struct{} // closed when no process has the screen open any more
}

// reply is typed once text is on the screen.
type reply struct{ text, typed string }

// runSession runs a command and types the replies. It returns the exit code, standard
// output and the screen.
func runSession(t *testing.T, outToScreen bool, environment []string, replies []reply, args ...string) (code int, stdout, screen string) {
	t.Helper()
	keyboard, tty := pseudoTerminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, keyboard: keyboard, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go s.read()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "streamctl", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &out, tty
	if outToScreen {
		cmd.Stdout = tty
	}
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, r := range replies {
		s.await(r.text)
		if _, err := keyboard.WriteString(strings.ReplaceAll(r.typed, "\n", "\r")); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	tty.Close()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmd.ProcessState.ExitCode(), out.String(), strings.ReplaceAll(s.screen.String(), "\r", "")
}

func (s *session) read() {
	defer close(s.ended)
	part := make([]byte, 4096)
	for {
		n, err := s.keyboard.Read(part)
		s.mu.Lock()
		s.screen.Write(part[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// await waits until a text is on the screen, and forgets the screen up to its end.
func (s *session) await(text string) {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for {
		s.mu.Lock()
		shown := s.screen.String()
		s.mu.Unlock()
		if strings.HasSuffix(shown, text) {
			return
		}
		select {
		case <-s.more:
		case <-deadline:
			s.t.Fatalf("%q is not on the screen:\n%s", text, shown)
		}
	}
}

// standInWithFunctions starts a fake of AWS, and returns the checkout and a folder for
// variables files.
func standInWithFunctions(t *testing.T) (source, dir string) {
	t.Helper()
	startStandIn(t, awsfake.Options{Answer: answered}, "CI=", "NO_COLOR=1", "TERM=dumb")
	source, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	return source, t.TempDir()
}

func writeVariables(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("Environment: development\nStackName: asked\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDeployAsksBeforeAnUpdate answers the question of an update on a terminal: yes, no,
// the end of input, and Ctrl-C. The changes are shown with their effects. --yes, another
// format than text, and CI update without a question.
func TestDeployAsksBeforeAnUpdate(t *testing.T) {
	source, dir := standInWithFunctions(t)
	const password = "STREAMCTL_DATABASE_PASSWORD=Consent-Password-1"
	small := writeVariables(t, dir, "small.yaml", "")
	large := writeVariables(t, dir, "large.yaml", "DatabaseInstanceClass: db.t4g.small\n")
	const question = "Update it? [y/N] "
	if code, _, screen := runSession(t, false, []string{password}, nil, "deploy", "--source", source, "--variables", small); code != 0 || strings.Contains(screen, question) {
		t.Fatalf("create: code %d:\n%s", code, screen)
	}
	for _, tt := range []struct {
		name        string
		environment []string
		typed       string // empty without a question
		code        int
		file        string
		args        []string
	}{
		{"no", nil, "n\n", 6, large, nil},
		{"an empty line", nil, "\n", 6, large, nil},
		{"end of input", nil, "\x04", 6, large, nil},
		{"Ctrl-C", nil, "\x03", 6, large, nil},
		{"yes", nil, "y\n", 0, large, nil},
		{"--yes", nil, "", 0, small, []string{"--yes"}},
		{"JSON", nil, "", 0, large, []string{"-o", "json"}},
		{"CI", []string{"CI=true"}, "", 0, small, nil},
		{"no change", nil, "", 0, small, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var replies []reply
			if tt.typed != "" {
				replies = []reply{{question, tt.typed}}
			}
			code, _, screen := runSession(t, false, tt.environment, replies, append([]string{"deploy", "--source", source, "--variables", tt.file}, tt.args...)...)
			if code != tt.code || strings.Contains(screen, question) != (tt.typed != "") {
				t.Fatalf("code %d:\n%s", code, screen)
			}
			if tt.typed != "" && !strings.Contains(screen, "restarts the database; Multi-AZ fails over") {
				t.Errorf("the effect is missing:\n%s", screen)
			}
			if done := strings.Contains(screen, "Updated stack asked."); done != (tt.code == 0 && tt.name != "no change") {
				t.Errorf("updated %t:\n%s", done, screen)
			}
		})
	}
}

// TestDeployAsksForAnotherProject answers the question before a stack of another
// project is taken over.
func TestDeployAsksForAnotherProject(t *testing.T) {
	source, dir := standInWithFunctions(t)
	own, other := writeVariables(t, dir, "own.yaml", ""), writeVariables(t, dir, "other.yaml", "ProjectName: other\n")
	if code, _, screen := runSession(t, false, []string{"STREAMCTL_DATABASE_PASSWORD=Consent-Password-1"}, nil, "deploy", "--source", source, "--variables", own); code != 0 {
		t.Fatalf("create: code %d:\n%s", code, screen)
	}
	const takeOver, update = "Take it over? [y/N] ", "Update it? [y/N] "
	for _, tt := range []struct {
		replies []reply
		code    int
	}{{[]reply{{takeOver, "n\n"}}, 6}, {[]reply{{takeOver, "y\n"}, {update, "n\n"}}, 6}, {[]reply{{takeOver, "y\n"}, {update, "y\n"}}, 0}} {
		code, _, screen := runSession(t, false, nil, tt.replies, "deploy", "--source", source, "--variables", other)
		if code != tt.code || !strings.Contains(screen, "Stack asked belongs to project ") {
			t.Errorf("%v: code %d:\n%s", tt.replies, code, screen)
		}
	}
}

// TestNewPasswordIsAskedForTwice types passwords that are invalid or that differ. Each
// is asked for again, three times at most, and never shown.
func TestNewPasswordIsAskedForTwice(t *testing.T) {
	source, dir := standInWithFunctions(t)
	variables := writeVariables(t, dir, "variables.yaml", "")
	const first, second = "master analytics_admin: ", "The same password again: "
	const valid, other, short = "Typed-Password-1", "Typed-Password-2", "short"
	for _, tt := range []struct {
		name    string
		replies []reply
		code    int
		shown   string
	}{
		{"invalid three times", []reply{{first, short + "\n"}, {first, short + "\n"}, {first, short + "\n"}}, 3, "DatabasePassword"},
		{"different three times", []reply{{first, valid + "\n"}, {second, other + "\n"}, {first, valid + "\n"}, {second, other + "\n"}, {first, valid + "\n"}, {second, other + "\n"}}, 3, "the two entries differ"},
		{"end of input", []reply{{first, "\x04"}}, 6, "declined; nothing was changed"},
		{"Ctrl-C", []reply{{first, "\x03"}}, 6, "declined; nothing was changed"},
		{"Ctrl-C at the second question", []reply{{first, valid + "\n"}, {second, "\x03"}}, 6, "declined; nothing was changed"},
		{"valid at the third try", []reply{{first, short + "\n"}, {first, valid + "\n"}, {second, other + "\n"}, {first, valid + "\n"}, {second, valid + "\n"}}, 0, "Created stack asked."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, screen := runSession(t, false, nil, tt.replies, "deploy", "--source", source, "--variables", variables)
			if code != tt.code || !strings.Contains(screen, tt.shown) || strings.Contains(screen, "Typed-Password") || strings.Contains(screen, short) {
				t.Errorf("code %d:\n%s", code, screen)
			}
		})
	}
}

// TestPlanFitsTheTerminal prints diffs and plans with long values on a terminal of 80
// columns. No line is wider.
func TestPlanFitsTheTerminal(t *testing.T) {
	source, dir := standInWithFunctions(t)
	variables := writeVariables(t, dir, "variables.yaml", "")
	changed := writeVariables(t, dir, "changed.yaml", "DatabaseInstanceClass: db.t4g.small\nEventTypes: [a_long_event_type_with_a_long_name, another_long_event_type_with_a_long_name]\nMetrics: [{Name: revenue, Sum: properties.amount}]\n")
	if code, _, screen := runSession(t, false, []string{"STREAMCTL_DATABASE_PASSWORD=Consent-Password-1"}, nil, "deploy", "--source", source, "--variables", variables); code != 0 {
		t.Fatalf("create: code %d:\n%s", code, screen)
	}
	for _, args := range [][]string{{"diff"}, {"diff", "--stack-name", "none"}, {"deploy", "--dry-run"}, {"deploy"}} {
		var replies []reply
		if len(args) == 1 && args[0] == "deploy" {
			replies = []reply{{"Update it? [y/N] ", "n\n"}}
		}
		_, _, screen := runSession(t, true, nil, replies, append(args, "--source", source, "--variables", changed)...)
		for line := range strings.SplitSeq(screen, "\n") {
			if steps := len(replies) > 0 && !strings.HasPrefix(line, "  "); steps {
				continue // not of the plan
			}
			if wide := ui.Width(line); wide > 80 {
				t.Errorf("%v: %d columns: %s", args, wide, line)
			}
		}
		if !strings.Contains(screen, "DatabaseInstanceClass") && !strings.Contains(screen, "DBInstanceClass") {
			t.Errorf("%v:\n%s", args, screen)
		}
	}
}
