// Package s3key reads keys of S3 objects from listings. A key may contain characters that
// XML 1.0 can't carry: a listing with one is not readable, unless it is URL-encoded, and
// DeleteObjects, whose request is XML, can't name it.
package s3key

import (
	"fmt"
	"net/url"
	"unicode/utf8"
)

// encodedAsURL is the encoding type of a listing whose keys are URL-encoded. A server that
// does not support it omits the type.
const encodedAsURL = "url"

// Decode returns a key of a listing, or a marker with one, that has the encoding type of
// the response.
func Decode(encodingType, key string) (string, error) {
	if encodingType != encodedAsURL {
		return key, nil
	}
	decoded, err := url.QueryUnescape(key)
	if err != nil {
		return "", fmt.Errorf("decode key %q of a listing: %w", key, err)
	}
	return decoded, nil
}

// FitsXML reports whether XML 1.0 can carry a key.
func FitsXML(key string) bool {
	if !utf8.ValidString(key) {
		return false
	}
	for _, r := range key {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}
