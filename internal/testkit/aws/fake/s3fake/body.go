package s3fake

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// decodeBody removes aws-chunked framing, stores the trailer's checksum as a
// header, and verifies every checksum that came with the body.
func decodeBody(r *http.Request, body []byte) ([]byte, error) {
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		data, err := dechunk(body, r.Header)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "IncompleteBody", err.Error())
		}
		body = data
	}
	if sum := r.Header.Get("Content-Md5"); sum != "" {
		got := md5.Sum(body)
		if base64.StdEncoding.EncodeToString(got[:]) != sum {
			return nil, refuse(http.StatusBadRequest, "BadDigest", "The Content-MD5 you specified did not match what we received.")
		}
	}
	for name, sum := range checksums(body) {
		if want := r.Header.Get(name); want != "" && want != sum {
			return nil, refuse(http.StatusBadRequest, "BadDigest", "The "+strings.ToUpper(strings.TrimPrefix(name, "X-Amz-Checksum-"))+" you specified did not match the calculated checksum.")
		}
	}
	return body, nil
}

// checksums returns the flexible checksums of a body by header name.
func checksums(body []byte) map[string]string {
	encode := base64.StdEncoding.EncodeToString
	s1, s256 := sha1.Sum(body), sha256.Sum256(body)
	const nvme = 0x9a6c9329ac4bc9b5 // reversed, as hash/crc64 expects polynomials
	return map[string]string{
		"X-Amz-Checksum-Sha1":      encode(s1[:]),
		"X-Amz-Checksum-Sha256":    encode(s256[:]),
		"X-Amz-Checksum-Crc32":     encode(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))),
		"X-Amz-Checksum-Crc32c":    encode(binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))),
		"X-Amz-Checksum-Crc64nvme": encode(binary.BigEndian.AppendUint64(nil, crc64.Checksum(body, crc64.MakeTable(nvme)))),
	}
}

// dechunk reads size-prefixed chunks and the trailing headers after the last
// one.
func dechunk(body []byte, header http.Header) ([]byte, error) {
	in := bufio.NewReader(bytes.NewReader(body))
	var out []byte
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("read chunk size: %w", err)
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 32)
		if err != nil {
			return nil, fmt.Errorf("read chunk size: %w", err)
		}
		if n == 0 {
			break
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, fmt.Errorf("read chunk: %w", err)
		}
		out = append(out, chunk[:n]...)
	}
	for {
		line, err := in.ReadString('\n')
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok {
			header.Set(name, strings.TrimSpace(value))
		}
		if err != nil {
			return out, nil // end of the trailer
		}
	}
}
