package fake

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// fetchTemplate reads a template from a URL of the fake's S3: path-style, or
// the virtual-hosted form that deploy may print.
func (f *account) fetchTemplate(_ context.Context, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("parse URL: %w", err)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if name, rest, ok := strings.Cut(u.Host, ".s3"); ok && strings.HasSuffix(rest, "amazonaws.com") {
		bucket, key = name, strings.TrimPrefix(u.Path, "/")
	}
	data, err := f.objects.Get(bucket, key)
	if err != nil {
		return "", err
	}
	return string(data), nil
}
