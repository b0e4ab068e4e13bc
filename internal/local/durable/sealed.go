package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// sealed is a JSON file with a checksum that detects damage.
type sealed struct {
	// CRC32C is the checksum of Content as it is in the file.
	CRC32C  *uint32         `json:"crc32c"`
	Content json.RawMessage `json:"content"`
}

// ErrChecksum is returned for a sealed file whose content does not match its
// checksum.
var ErrChecksum = errors.New("checksum does not match the content")

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Seal returns a JSON file with the content and its checksum.
func Seal(content any) ([]byte, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	sum := checksum(text)
	text, err = json.Marshal(sealed{&sum, text})
	return append(text, '\n'), err
}

// Unseal reads a file written by Seal into content. Earlier streamctl versions
// wrote the content alone: Unseal then sets legacy and fills content without a
// check.
func Unseal(text []byte, content any) (legacy bool, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return false, err
	}
	_, hasSum := members["crc32c"]
	_, hasContent := members["content"]
	if !hasSum && !hasContent {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields() // a damaged field name must not pass for a missing value
		return true, d.Decode(content)
	}
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return false, err
	}
	if s.CRC32C == nil || checksum(s.Content) != *s.CRC32C {
		return false, ErrChecksum
	}
	if err := json.Unmarshal(s.Content, content); err != nil {
		return false, fmt.Errorf("read content: %w", err)
	}
	return false, nil
}
