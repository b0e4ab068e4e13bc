package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/problem"
)

// readBody gives the request's body as sent by the client: without the base64
// of API Gateway, and unpacked when it is gzip.
func readBody(req events.APIGatewayProxyRequest) ([]byte, *problem.Problem) {
	var body []byte
	if req.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(req.Body); err != nil {
			return nil, refuse(http.StatusBadRequest, "the body is not base64, though marked so")
		}
	} else {
		body = []byte(req.Body)
	}
	if !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		if saysGzip(req) {
			return nil, refuse(http.StatusBadRequest, "the body is not gzip, though Content-Encoding says so; send it as binary, with a media type that the API treats as such")
		}
		if len(body) > event.MaxBodyBytes {
			return nil, tooLarge()
		}
		return body, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body begins like gzip and is not: "+err.Error())
	}
	// One byte more than allowed tells a body that is too large, however
	// small it came.
	plain, err := io.ReadAll(io.LimitReader(zr, event.MaxBodyBytes+1))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body is damaged gzip: "+err.Error())
	}
	if len(plain) > event.MaxBodyBytes {
		return nil, tooLarge()
	}
	return plain, nil
}

func saysGzip(req events.APIGatewayProxyRequest) bool {
	for name, value := range req.Headers {
		if strings.EqualFold(name, "Content-Encoding") {
			return strings.EqualFold(strings.TrimSpace(value), "gzip")
		}
	}
	return false
}

func tooLarge() *problem.Problem {
	return refuse(http.StatusRequestEntityTooLarge, "the body has more than "+strconv.Itoa(event.MaxBodyBytes)+
		" bytes after decompression; send fewer events at a time")
}

func refuse(status int, detail string) *problem.Problem {
	p := problem.New(status, detail)
	return &p
}
