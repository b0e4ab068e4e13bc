// Package artifact builds the functions' code: one zip per function, whose bytes depend
// only on the source and the toolchain.
package artifact

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/streamctl/streamctl/internal/pattern"
)

// Artifact is the code of one function, ready for Lambda.
type Artifact struct {
	// Function is the function's name, such as ingest.
	Function string
	// SHA256 is the zip's digest in hexadecimal.
	SHA256 string
	// Size is the zip's size in bytes.
	Size int

	zip func() ([]byte, error)
}

// New wraps a zip.
func New(function string, archive []byte) Artifact {
	sum := sha256.Sum256(archive)
	return Artifact{Function: function, SHA256: hex.EncodeToString(sum[:]), Size: len(archive), zip: func() ([]byte, error) { return archive, nil }}
}

// Zip returns the archive. A release makes it at the first call.
func (a Artifact) Zip() ([]byte, error) { return a.zip() }

// Key is the artifact's key in the artifact bucket. It contains the digest, so an
// object never changes.
func (a Artifact) Key() string { return Key(a.Function, a.SHA256) }

// keyDigits is the number of digest digits in a key, 128 bits: a template contains six
// keys, and its size is limited.
const keyDigits = 32

// Folder is the prefix of all keys.
const Folder = "functions/"

// Key returns the S3 key of a function's code for the digest of its zip.
func Key(function, sha256 string) string {
	return Folder + function + "/" + sha256[:keyDigits] + ".zip"
}

// IsKey reports whether a key has the form of Key: a bucket may contain other objects
// too.
func IsKey(key string) bool { return keyPattern.MatchString(key) }

var keyPattern = pattern.New(fmt.Sprintf(`^%s[^/]+/[0-9a-f]{%d}\.zip$`, Folder, keyDigits))

// Pack zips a program for Lambda's provided runtimes: one executable file, bootstrap,
// with a fixed time.
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

// unpack returns the program in a zip of Pack.
func unpack(archive []byte) (program []byte, err error) {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("unpack bootstrap: %w", err)
	}
	file, err := r.Open("bootstrap")
	if err != nil {
		return nil, fmt.Errorf("unpack bootstrap: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if program, err = io.ReadAll(file); err != nil {
		return nil, fmt.Errorf("unpack bootstrap: %w", err)
	}
	return program, nil
}
