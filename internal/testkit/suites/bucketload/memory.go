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

// Memory is an S3 server in this process, with versions: gofakes3. A page of its
// listing doesn't say where the next one begins.
type Memory struct {
	http.Handler

	backend *s3mem.Backend
}

// NewMemory makes a server without buckets.
func NewMemory() *Memory {
	backend := s3mem.New()
	return &Memory{Handler: gofakes3.New(backend).Server(), backend: backend}
}

// Fill makes a versioned bucket with so many versions, two to a key, delete
// markers, and an unfinished upload: before its first one gofakes3 doesn't list
// a bucket's uploads.
func (m *Memory) Fill(ctx context.Context, bucket string, versions, markers int) error {
	if err := m.backend.CreateBucket(bucket); err != nil {
		return fmt.Errorf("make bucket %s: %w", bucket, err)
	}
	if err := m.backend.SetVersioningConfiguration(bucket, gofakes3.VersioningConfiguration{Status: gofakes3.VersioningEnabled}); err != nil {
		return fmt.Errorf("version bucket %s: %w", bucket, err)
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
		return fmt.Errorf("begin an upload to bucket %s: status %d", bucket, w.Code)
	}
	return nil
}

// Key names object n as the archive names its own, spread over the hours.
func Key(n int) string { return fmt.Sprintf("raw/v1/dt=2026-11-23/hr=%02d/%d.gz", n%24, n) }
