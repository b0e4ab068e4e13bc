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

// PutAPI is what the writer needs of S3; *s3.Client has it.
type PutAPI interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Writer writes objects that are never written over.
type Writer struct {
	API    PutAPI
	Bucket string
}

// conflictTries is how often a put is tried while another writer is at work on
// the same key.
const conflictTries = 6

// Put writes an object. One of that name that is already there is the same
// one, since names follow from content, and is no error.
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

// httpStatus gives the status of a response that became an error, else 0.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
