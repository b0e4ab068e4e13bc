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
	"github.com/streamctl/streamctl/internal/event"
)

// readBody gives the request's body as the client wrote it: without API
// Gateway's base64, and decompressed if its bytes are gzip. Content-Encoding
// doesn't count: API Gateway decompresses by default and leaves the header.
func readBody(req events.APIGatewayProxyRequest) ([]byte, *api.Problem) {
	body := []byte(req.Body)
	if req.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(req.Body); err != nil {
			return nil, refuse(http.StatusBadRequest, "the body is not base64, though marked so")
		}
	}
	if isGzip(body) {
		plain, err := gunzip(body, event.MaxBodyBytes+1)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, err.Error())
		}
		if isGzip(plain) {
			return nil, refuse(http.StatusBadRequest, "the body is gzip inside gzip: compress it once")
		}
		body = plain
	}
	if len(body) > event.MaxBodyBytes {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than "+strconv.Itoa(event.MaxBodyBytes)+
			" bytes after decompression; send fewer events at a time")
	}
	return body, nil
}

func isGzip(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b}) }

// gunzip decompresses all members of a gzip file, up to limit bytes.
func gunzip(body []byte, limit int) ([]byte, error) {
	rest := bufio.NewReader(bytes.NewReader(body)) // the decompressor reads no further than it must
	zr, err := gzip.NewReader(rest)
	if err != nil {
		return nil, fmt.Errorf("the body begins like gzip and isn't: %w", notEOF(err))
	}
	var plain []byte
	for {
		zr.Multistream(false)
		if plain, err = readTo(plain, zr, limit); err != nil {
			return nil, fmt.Errorf("the body is damaged gzip: %w", notEOF(err))
		}
		if len(plain) == limit {
			return plain, nil // the rest doesn't matter
		}
		next, err := rest.Peek(2)
		if len(next) == 0 {
			return plain, nil
		}
		if err != nil || !isGzip(next) {
			return nil, errors.New("something follows the end of the gzip body: send the compressed data alone")
		}
		if err := zr.Reset(rest); err != nil {
			return nil, fmt.Errorf("a later part of the gzip body is damaged: %w", notEOF(err))
		}
	}
}

// readTo appends what is read until the end, or until there are limit bytes. It
// never takes room for more.
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

// notEOF explains an end that came too early.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off; send it as a whole")
	}
	return fmt.Errorf("%w; compress it again", err)
}

func refuse(status int, detail string) *api.Problem {
	p := api.NewProblem(status, detail)
	return &p
}
