package ui_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

func TestHiddenCharactersAreShown(t *testing.T) {
	for in, want := range map[string]string{
		"plain ä 漢字 🎉 ❤️":       "plain ä 漢字 🎉 ❤️",
		"\x1b[2J\x07\r":         `\x1b[2J\x07\x0d`,
		"\x00\x7f":              `\x00\x7f`,
		"\u009b2J":              `\u009b2J`,
		"\x9b2J\xff":            `\x9b2J\xff`,
		"a\u202eb\u2066c\u2069": `a\u202eb\u2066c\u2069`,
		"\u200b\u200d\u200f":    `\u200b\u200d\u200f`,
		"\ufeff\u2028\u2029":    `\ufeff\u2028\u2029`,
		"\U000e0041":            `\U000e0041`,
		"\u00ad\u061c\u3164":    `\u00ad\u061c\u3164`,
		"a\nb\tc":               "a\nb\tc",
		`\x1b`:                  `\x1b`,
	} {
		if got := ui.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := ui.Line("a\nb\tc"); got != `a\x0ab\x09c` {
		t.Errorf("line: %q", got)
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "漢字": 4, "e\u0301": 1, "\x1b": 4, "\u202e": 6, "🎉": 2, "ｱ": 1} {
		if got := ui.Width(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := ui.Pad("漢", 4); got != "漢  " {
		t.Errorf("padded: %q", got)
	}
	if got := ui.Head("漢字漢字", 5); got != "漢字" {
		t.Errorf("head: %q", got)
	}
}

// TestJSONStaysExact uses a JSON text with every hidden character.
func TestJSONStaysExact(t *testing.T) {
	var all []rune
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if ui.Hidden(r) {
			all = append(all, r)
		}
	}
	want := string(all) + `\x1b "quoted"`
	text, err := json.Marshal(map[string]string{want: want})
	if err != nil {
		t.Fatal(err)
	}
	safe := ui.JSON(text)
	if ui.Text(string(safe)) != string(safe) {
		t.Error("the JSON text has hidden characters")
	}
	var got map[string]string
	if err := json.Unmarshal(safe, &got); err != nil || got[want] != want {
		t.Errorf("another value: %v", err)
	}
}

// TestCharactersInPieces writes characters byte by byte.
func TestCharactersInPieces(t *testing.T) {
	var out bytes.Buffer
	w := ui.NewWriter(&out)
	for _, c := range []byte("ä漢🎉\u202e\xff\xe6\xbc") {
		if n, err := w.Write([]byte{c}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := w.Err(); err != nil || out.String() != `ä漢🎉\u202e\xff\xe6\xbc` {
		t.Errorf("%q, %v", out.String(), err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestWriteErrorStays(t *testing.T) {
	w := ui.NewWriter(full{})
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := w.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// FuzzWriter writes text in pieces: the output has no hidden characters, is UTF-8,
// keeps every visible character, and equals the output of one write.
func FuzzWriter(f *testing.F) {
	f.Add("a\x1b]0;title\x07\u202e\xc3", 2)
	f.Add("漢字\n\t", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		var out bytes.Buffer
		w := ui.NewWriter(&out)
		size = 1 + int(uint(size)%7)
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Err(); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if got != ui.Text(text) {
			t.Fatalf("in pieces of %d: %q, in one call %q", size, got, ui.Text(text))
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return ui.Hidden(r) && r != '\n' && r != '\t' }) {
			t.Fatalf("%q", got)
		}
		if ui.Text(got) != got {
			t.Fatalf("%q changes when it is shown again", got)
		}
		if !strings.ContainsFunc(text, ui.Hidden) && utf8.ValidString(text) && got != text {
			t.Fatalf("%q became %q", text, got)
		}
		if line := ui.Line(text); strings.ContainsAny(line, "\n\t\r") {
			t.Fatalf("%q", line)
		}
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if json.Unmarshal(encoded, &before) != nil || json.Unmarshal(ui.JSON(encoded), &after) != nil || before != after {
			t.Fatalf("JSON of %q: %s", text, ui.JSON(encoded))
		}
	})
}

func TestCellsNeverStartAFormula(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", " ": " ", "-5": "-5", "+1.5e3": "+1.5e3", "a=b": "a=b", "1-2": "1-2",
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1+1": "'+1+1", "-1+2": "'-1+2", "@SUM(1)": "'@SUM(1)", "-": "'-", "-Inf": "'-Inf",
		" =1": "' =1", "\"=1": "'\"=1", "' -a": "'' -a", "\t=1": `'\x09=1`, "\ta": `'\x09a`, "\r=1": `'\x0d=1`, "\u00a0=1": "'\u00a0=1",
		"\uff1d1": "'\uff1d1", "a\x1bb\n=1": `a\x1bb\x0a=1`,
	} {
		if got := ui.Cell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
