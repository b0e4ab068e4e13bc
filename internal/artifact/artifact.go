// Package artifact builds the functions' code: one zip a function, whose bytes
// depend on the source and the toolchain only.
package artifact

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Artifact is the code of one function, ready for Lambda.
type Artifact struct {
	// Function is the function's name, such as ingest.
	Function string
	// SHA256 is the zip's digest in hexadecimal.
	SHA256 string
	// Zip is the archive itself.
	Zip []byte
}

// New wraps a zip.
func New(function string, archive []byte) Artifact {
	sum := sha256.Sum256(archive)
	return Artifact{Function: function, SHA256: hex.EncodeToString(sum[:]), Zip: archive}
}

// Key is where the artifact lives in the artifact bucket. It names the
// content, so what is there once never changes.
func (a Artifact) Key() string { return Key(a.Function, a.SHA256) }

// keyDigits is how much of a digest a key has, 128 bits: six keys stand in a
// template, where bytes are dear.
const keyDigits = 32

// Folder is what the functions' folders are in.
const Folder = "functions/"

// Key is the S3 key of a function's code by the digest of its zip.
func Key(function, sha256 string) string {
	return Folder + function + "/" + sha256[:keyDigits] + ".zip"
}

// IsKey says that Key makes such a name: a bucket may have others' folders too.
func IsKey(key string) bool { return keyPattern.MatchString(key) }

var keyPattern = regexp.MustCompile(fmt.Sprintf(`^%s[^/]+/[0-9a-f]{%d}\.zip$`, Folder, keyDigits))

// Pack puts a program into a zip as Lambda's provided runtimes want it: one
// file, bootstrap, executable, with a fixed time.
func Pack(program []byte) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	header.SetMode(0o755)
	file, err := archive.CreateHeader(header)
	if err != nil {
		return nil, fmt.Errorf("pack bootstrap: %w", err)
	}
	if _, err := file.Write(program); err != nil {
		return nil, fmt.Errorf("pack bootstrap: %w", err)
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack bootstrap: %w", err)
	}
	return out.Bytes(), nil
}
