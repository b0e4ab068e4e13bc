package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Bucket is an in-memory S3: objects, conditional puts, lists.
type Bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	// conflicts is how many of the next conditional puts get a 409.
	conflicts int
}

// NewBucket returns an empty bucket.
func NewBucket() *Bucket { return &Bucket{objects: map[string][]byte{}} }

// statusError is an S3 response with an error status.
type statusError int

func (e statusError) Error() string       { return fmt.Sprintf("status %d", int(e)) }
func (e statusError) HTTPStatusCode() int { return int(e) }

// PutObject stores an object; with If-None-Match it never overwrites one.
func (b *Bucket) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if aws.ToString(in.IfNoneMatch) == "*" {
		if b.conflicts > 0 {
			b.conflicts--
			return nil, statusError(http.StatusConflict)
		}
		if _, ok := b.objects[*in.Key]; ok {
			return nil, statusError(http.StatusPreconditionFailed)
		}
	}
	b.objects[*in.Key] = body
	return &s3.PutObjectOutput{}, nil
}

// Conflict makes the next n conditional puts return 409.
func (b *Bucket) Conflict(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conflicts = n
}

// Put stores the records that a mapping gave up.
func (b *Bucket) Put(_ context.Context, key string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = body
	return nil
}

// GetObject returns an object.
func (b *Bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.objects[*in.Key]
	if !ok {
		return nil, statusError(http.StatusNotFound)
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// ListObjectsV2 lists all keys with a prefix on one page.
func (b *Bucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out := &s3.ListObjectsV2Output{IsTruncated: aws.Bool(false)}
	for _, key := range b.Keys(aws.ToString(in.Prefix)) {
		out.Contents = append(out.Contents, types.Object{Key: aws.String(key)})
	}
	return out, nil
}

// Keys lists the keys with a prefix, sorted.
func (b *Bucket) Keys(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := slices.Sorted(maps.Keys(b.objects))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

// Object returns an object's bytes, or nil.
func (b *Bucket) Object(key string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.objects[key]
}
