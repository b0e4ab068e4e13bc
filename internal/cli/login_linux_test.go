package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamctl/streamctl/internal/cli"
)

// pseudoTerminal opens a pseudo terminal. Bytes written to keyboard are the program's
// input; its output is read from screen.
func pseudoTerminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// TestMFACode asks for the code of a profile's device on the terminal, once.
func TestMFACode(t *testing.T) {
	const device = "arn:aws:iam::123456789012:mfa/me"
	for _, tt := range []struct {
		typed string
		code  int
		want  string
	}{{"123456\n", 1, "ValidationError"}, {"000000\n", 4, "AccessDenied"}} {
		aws := newStandIn(t)
		aws.wantMFA = "123456"
		configuration(t, "[profile base]\naws_access_key_id = A\naws_secret_access_key = s\n[profile x]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\nmfa_serial = "+device+"\nendpoint_url = "+aws.URL+"\n")
		keyboard, screen := pseudoTerminal(t)
		if _, err := keyboard.WriteString(tt.typed); err != nil {
			t.Fatal(err)
		}
		var out, story bytes.Buffer
		app := cli.App{Stdin: screen, Stdout: &out, Stderr: &story, Getenv: os.Getenv, Environ: os.Environ}
		code := app.Run(t.Context(), []string{"dashboard", "--profile", "x"})
		said := story.String()
		if code != tt.code || !strings.Contains(said, tt.want) || strings.Count(said, "MFA code of "+device+": ") != 1 {
			t.Errorf("%q: code %d: %s", tt.typed, code, said)
		}
		if tt.code == 1 && !aws.made("DescribeStacks of ASIAROLE") {
			t.Errorf("calls: %v", aws.calls)
		}
	}
}
