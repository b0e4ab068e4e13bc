// Package dirbucket implements the S3 calls that the archive needs in a folder:
// an object is a file whose path is its key.
package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/local/durable"
)

// Bucket stores objects below Dir. It is safe for concurrent use.
type Bucket struct {
	Dir string
	// Volatile writes without waiting for the disk.
	Volatile bool
}

// StatusError is an S3 response with an error status.
type StatusError struct {
	Status int
	Key    string
}

func (e *StatusError) Error() string { return e.Key + ": " + http.StatusText(e.Status) }

// HTTPStatusCode returns the response's status code.
func (e *StatusError) HTTPStatusCode() int { return e.Status }

// path returns an object's file. It rejects keys that lead out of the folder.
func (f Bucket) path(key string) (string, error) {
	local, err := filepath.Localize(key)
	if err != nil || strings.HasSuffix(key, "/") {
		return "", fmt.Errorf("object key %q: not a path", key)
	}
	return filepath.Join(f.Dir, local), nil
}

// PutObject writes an object completely or not at all. With IfNoneMatch an
// existing object is left unchanged and the error has status 412.
func (f Bucket) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	key := aws.ToString(in.Key)
	path, err := f.path(key)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("put %s: %w", key, err)
	}
	temporary, err := f.write(dir, in.Body)
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", key, err)
	}
	if aws.ToString(in.IfNoneMatch) != "*" {
		err = os.Rename(temporary, path)
	} else if err = os.Link(temporary, path); err == nil || errors.Is(err, fs.ErrExist) {
		// A link fails if the name exists; a rename would overwrite it.
		if errors.Is(err, fs.ErrExist) {
			err = &StatusError{Status: http.StatusPreconditionFailed, Key: key}
		}
		err = errors.Join(err, os.Remove(temporary))
	}
	if err == nil && !f.Volatile {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", key, err)
	}
	return &s3.PutObjectOutput{}, nil
}

// hidden is the name prefix of files that are not yet complete objects.
const hidden = ".new-"

func (f Bucket) write(dir string, body io.Reader) (path string, err error) {
	file, err := os.CreateTemp(dir, hidden)
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(file, body); err == nil && !f.Volatile {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// Put writes an object and replaces an existing one.
func (f Bucket) Put(ctx context.Context, key string, object []byte) error {
	_, err := f.PutObject(ctx, &s3.PutObjectInput{Key: aws.String(key), Body: strings.NewReader(string(object))})
	return err
}

// GetObject returns an object, or an error with status 404.
func (f Bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	path, err := f.path(aws.ToString(in.Key))
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &StatusError{Status: http.StatusNotFound, Key: aws.ToString(in.Key)}
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", aws.ToString(in.Key), err)
	}
	return &s3.GetObjectOutput{Body: file}, nil
}

// ListObjectsV2 lists the keys with a prefix after StartAfter, sorted, in a
// single page.
func (f Bucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	prefix := aws.ToString(in.Prefix)
	// The last part of the prefix may be the beginning of a name: start one
	// folder up.
	begin := filepath.Join(f.Dir, filepath.FromSlash(prefix[:strings.LastIndex(prefix, "/")+1]))
	var objects []types.Object
	err := filepath.WalkDir(begin, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), hidden) {
			return err
		}
		relative, err := filepath.Rel(f.Dir, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(relative)
		if !strings.HasPrefix(key, prefix) || key <= aws.ToString(in.StartAfter) {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		objects = append(objects, types.Object{Key: &key, Size: aws.Int64(info.Size()), LastModified: aws.Time(info.ModTime())})
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	slices.SortFunc(objects, func(a, b types.Object) int { return strings.Compare(*a.Key, *b.Key) })
	return &s3.ListObjectsV2Output{Contents: objects, KeyCount: aws.Int32(int32(len(objects)))}, nil
}
