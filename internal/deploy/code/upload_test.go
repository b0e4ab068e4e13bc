package code_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy/code"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// objects is a bucket with only objects; any other call panics.
type objects struct {
	code.API
	mu     sync.Mutex
	sizes  map[string]int64
	sums   map[string]string // SHA-256, as S3 writes it
	faster string            // a key that another run uploads first
}

func status(code int) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}}}
}

func (o *objects) HeadObject(_ context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size, exists := o.sizes[*in.Key]
	if !exists {
		return nil, status(http.StatusNotFound)
	}
	if in.ChecksumMode != types.ChecksumModeEnabled {
		return nil, status(http.StatusBadRequest)
	}
	return &s3.HeadObjectOutput{ContentLength: &size, ChecksumSHA256: aws.String(o.sums[*in.Key])}, nil
}

func (o *objects) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if *in.Key == o.faster {
		o.sizes[*in.Key], o.sums[*in.Key] = 1, *in.ChecksumSHA256
		return nil, status(http.StatusPreconditionFailed)
	}
	if aws.ToString(in.IfNoneMatch) != "*" || aws.ToString(in.ChecksumSHA256) == "" {
		return nil, status(http.StatusBadRequest)
	}
	o.sizes[*in.Key], o.sums[*in.Key] = 1, *in.ChecksumSHA256
	return &s3.PutObjectOutput{}, nil
}

// TestUpload uploads only the missing artifacts, accepts the upload of a faster run,
// and rejects an object that is not the artifact.
func TestUpload(t *testing.T) {
	a := []artifact.Artifact{artifact.New("ingest", []byte("a")), artifact.New("query", []byte("b")), artifact.New("schema", []byte("c"))}
	sum := sha256.Sum256([]byte("a"))
	api := &objects{sizes: map[string]int64{a[0].Key(): 1}, sums: map[string]string{a[0].Key(): base64.StdEncoding.EncodeToString(sum[:])}, faster: a[2].Key()}
	s := code.Store{API: api, Bucket: "code", Session: stack.Session{Report: func(stack.Event) {}}}
	if sent, err := s.Upload(t.Context(), a); err != nil || !slices.Equal(sent, []string{"query"}) {
		t.Errorf("sent %v, %v", sent, err)
	}
	api.sums[a[0].Key()] = "b3RoZXI="
	if _, err := s.Upload(t.Context(), a); err == nil || !strings.Contains(err.Error(), "has the SHA-256 b3RoZXI= instead of") {
		t.Errorf("other bytes were accepted: %v", err)
	}
	api.sizes[a[0].Key()] = 2
	if _, err := s.Upload(t.Context(), a); err == nil || !strings.Contains(err.Error(), "has 2 bytes instead of 1") {
		t.Errorf("another object was accepted: %v", err)
	}
}
