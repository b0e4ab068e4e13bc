package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
)

// readBody returns the request's body as the client wrote it: without API Gateway's
// base64, and decompressed if it is gzip, at most limit bytes. It ignores
// Content-Encoding, because API Gateway decompresses by default and leaves the
// header.
func readBody(req events.APIGatewayProxyRequest, limit int) ([]byte, *api.Problem) {
	body := []byte(req.Body)
	if req.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(req.Body); err != nil {
			return nil, refuse(http.StatusBadRequest, "the body is marked as base64, but is not valid base64")
		}
	}
	if isGzip(body) {
		plain, err := gunzip(body, limit+1)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, err.Error())
		}
		if isGzip(plain) {
			return nil, refuse(http.StatusBadRequest, "the body is gzip inside gzip: compress it once")
		}
		body = plain
	}
	if len(body) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than "+strconv.Itoa(limit)+
			" bytes after decompression; send fewer events at a time")
	}
	return body, nil
}

func isGzip(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b}) }

// gunzip decompresses all members of a gzip file, up to limit bytes.
func gunzip(body []byte, limit int) ([]byte, error) {
	rest := bufio.NewReader(bytes.NewReader(body)) // the decompressor must not read past the end of a member
	zr, err := gzip.NewReader(rest)
	if err != nil {
		return nil, fmt.Errorf("the body starts like gzip but is not valid gzip: %w", notEOF(err))
	}
	var plain []byte
	for {
		zr.Multistream(false)
		if plain, err = readTo(plain, zr, limit); err != nil {
			return nil, fmt.Errorf("the body is damaged gzip: %w", notEOF(err))
		}
		if len(plain) == limit {
			return plain, nil // the rest is ignored
		}
		next, err := rest.Peek(2)
		if len(next) == 0 {
			return plain, nil
		}
		if err != nil || !isGzip(next) {
			return nil, errors.New("the gzip body has trailing data: send only the compressed data")
		}
		if err := zr.Reset(rest); err != nil {
			return nil, fmt.Errorf("a later part of the gzip body is damaged: %w", notEOF(err))
		}
	}
}

// readTo appends what it reads until the end, or until dst has limit bytes. It
// never allocates more.
func readTo(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for len(dst) < limit {
		if len(dst) == cap(dst) {
			dst = append(make([]byte, 0, min(max(2*cap(dst), 16<<10), limit)), dst...)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// notEOF returns a clear error for a premature end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is truncated; send all of it")
	}
	return fmt.Errorf("%w; compress it again", err)
}

func refuse(status int, detail string) *api.Problem {
	p := api.NewProblem(status, detail)
	return &p
}
