package s3key_test

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/streamctl/streamctl/internal/s3key"
)

// TestFitsXML compares with encoding/xml, which replaces characters that XML can't carry.
func TestFitsXML(t *testing.T) {
	for r := rune(0); r <= 0x10FFFF; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		key := "a" + string(r)
		var out bytes.Buffer
		if err := xml.EscapeText(&out, []byte(key)); err != nil {
			t.Fatal(err)
		}
		replaced := bytes.Contains(out.Bytes(), []byte("\uFFFD")) && r != utf8.RuneError
		if s3key.FitsXML(key) == replaced {
			t.Errorf("%U: fits %t", r, !replaced)
		}
	}
	if s3key.FitsXML("a\xff") {
		t.Error("invalid UTF-8 fits")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("raw/\x01+%20 \uFFFE")
	f.Fuzz(func(t *testing.T, key string) {
		got, err := s3key.Decode("url", url.QueryEscape(key))
		if err != nil || got != key {
			t.Errorf("%q, %v, want %q", got, err, key)
		}
		if same, err := s3key.Decode("", key); err != nil || same != key {
			t.Errorf("without an encoding: %q, %v", same, err)
		}
	})
}
