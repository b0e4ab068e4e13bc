package dirbucket_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/local/dirbucket"
)

func status(err error) int {
	var s interface{ HTTPStatusCode() int }
	if errors.As(err, &s) {
		return s.HTTPStatusCode()
	}
	return 0
}

// TestFirstWriterWins writes one key with If-None-Match concurrently.
func TestFirstWriterWins(t *testing.T) {
	f := dirbucket.Bucket{Dir: t.TempDir()}
	var won, refused atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := f.PutObject(t.Context(), &s3.PutObjectInput{Key: aws.String("raw/a/b.gz"), IfNoneMatch: aws.String("*"), Body: strings.NewReader("content")})
			switch {
			case err == nil:
				won.Add(1)
			case status(err) == 412:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d succeeded, %d were rejected", won.Load(), refused.Load())
	}
	entries, err := os.ReadDir(filepath.Join(f.Dir, "raw", "a"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestObjects(t *testing.T) {
	f := dirbucket.Bucket{Dir: t.TempDir()}
	for _, key := range []string{"raw/hr=01/x", "raw/hr=01/a", "raw/hr=02/y", "other"} {
		if err := f.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Put(t.Context(), "other", []byte("anew")); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"raw/hr=01/": "raw/hr=01/a raw/hr=01/x", "raw/h": "raw/hr=01/a raw/hr=01/x raw/hr=02/y", "": "other raw/hr=01/a raw/hr=01/x raw/hr=02/y", "none/": ""} {
		out, err := f.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Prefix: &prefix})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%q lists %q, want %q", prefix, got, want)
		}
	}
	out, err := f.GetObject(t.Context(), &s3.GetObjectInput{Key: aws.String("other")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil || string(text) != "anew" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := f.GetObject(t.Context(), &s3.GetObjectInput{Key: aws.String("nothing")}); status(err) != 404 {
		t.Errorf("a missing object: %v", err)
	}
	for _, key := range []string{"../out", "/etc/x", "a/../../b", "dir/"} {
		if err := f.Put(t.Context(), key, nil); err == nil {
			t.Errorf("key %q was accepted", key)
		}
	}
}
