package bucketload

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Memory is an in-process S3 server with versions: gofakes3. A page of its
// listing does not contain the position of the next page.
type Memory struct {
	http.Handler

	backend *s3mem.Backend
}

// NewMemory returns a server without buckets.
func NewMemory() *Memory {
	backend := s3mem.New()
	return &Memory{Handler: gofakes3.New(backend).Server(), backend: backend}
}

// Fill creates a versioned bucket with a number of versions, two per key,
// delete markers, and an unfinished upload, because gofakes3 can't list a
// bucket's uploads before its first one.
func (m *Memory) Fill(ctx context.Context, bucket string, versions, markers int) error {
	if err := m.backend.CreateBucket(bucket); err != nil {
		return fmt.Errorf("create bucket %s: %w", bucket, err)
	}
	if err := m.backend.SetVersioningConfiguration(bucket, gofakes3.VersioningConfiguration{Status: gofakes3.VersioningEnabled}); err != nil {
		return fmt.Errorf("turn on versioning of bucket %s: %w", bucket, err)
	}
	for i := range versions {
		if _, err := m.backend.PutObject(bucket, Key(i/2), map[string]string{}, strings.NewReader("x"), 1, nil); err != nil {
			return fmt.Errorf("fill bucket %s: %w", bucket, err)
		}
	}
	for i := range markers {
		if _, err := m.backend.DeleteObject(bucket, Key(i)); err != nil {
			return fmt.Errorf("fill bucket %s: %w", bucket, err)
		}
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+bucket+"/unfinished?uploads", nil))
	if w.Code != http.StatusOK {
		return fmt.Errorf("start an upload to bucket %s: status %d", bucket, w.Code)
	}
	return nil
}

// Key returns the key of object n, in the archive's format, spread over the
// hours.
func Key(n int) string { return fmt.Sprintf("raw/v1/dt=2026-11-23/hr=%02d/%d.gz", n%24, n) }
