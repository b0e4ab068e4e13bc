package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/pause"
)

// PutAPI is the part of S3 that the writer needs; *s3.Client satisfies it.
type PutAPI interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Writer writes objects that are never overwritten.
type Writer struct {
	API    PutAPI
	Bucket string
}

// conflictTries is how often a put is tried while another writer is writing the
// same key.
const conflictTries = 6

// Put writes an object. If the key exists, Put succeeds: keys are derived from
// the content, so the object is the same.
func (w Writer) Put(ctx context.Context, key string, body []byte) error {
	wait := 50 * time.Millisecond
	for try := 1; ; try++ {
		_, err := w.API.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(w.Bucket), Key: aws.String(key), Body: bytes.NewReader(body),
			IfNoneMatch: aws.String("*"), ContentType: aws.String("application/gzip"),
		})
		switch status := httpStatus(err); {
		case err == nil, status == http.StatusPreconditionFailed:
			return nil
		case status != http.StatusConflict || try == conflictTries:
			return fmt.Errorf("put %s: %w", key, err)
		}
		if err := pause.For(ctx, wait); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
		wait *= 2
	}
}

// httpStatus returns the HTTP status of an error response, or 0.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// IsDenied reports whether S3 denied access.
func IsDenied(err error) bool { return httpStatus(err) == http.StatusForbidden }

// IsMissing reports whether an object or a bucket does not exist.
func IsMissing(err error) bool { return httpStatus(err) == http.StatusNotFound }
