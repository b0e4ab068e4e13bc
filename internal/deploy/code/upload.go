package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/streamctl/streamctl/internal/artifact"
)

// concurrentUploads is the number of objects that are uploaded at the same time.
const concurrentUploads = 4

// Upload uploads the artifacts that are not in the bucket, and returns the names
// of their functions. After an interruption, it uploads the missing ones.
func (s *Store) Upload(ctx context.Context, artifacts []artifact.Artifact) (sent []string, err error) {
	fresh := make([]bool, len(artifacts))
	var mu sync.Mutex
	done, size, total := 0, 0, 0
	for _, a := range artifacts {
		total += a.Size
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(concurrentUploads)
	for i, a := range artifacts {
		group.Go(func() (err error) {
			fresh[i], err = s.put(inner, object{key: a.Key(), contentType: "application/zip", size: a.Size, sha256: a.SHA256, content: a.Zip})
			mu.Lock()
			defer mu.Unlock()
			done, size = done+1, size+a.Size
			if fresh[i] && done < len(artifacts) {
				s.Waiting("the functions' code to be uploaded: %d of %d functions, %.1f of %.1f MB", done, len(artifacts), float64(size)/1e6, float64(total)/1e6)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, a := range artifacts {
		if fresh[i] {
			sent = append(sent, a.Function)
		}
	}
	return sent, nil
}

// object is an object whose key contains the hash of its content.
type object struct {
	key, contentType string
	// size is in bytes, sha256 in hexadecimal.
	size   int
	sha256 string
	// content is called only if the object is uploaded.
	content func() ([]byte, error)
}

// put stores an object, unless the bucket has it.
func (s *Store) put(ctx context.Context, o object) (sent bool, err error) {
	bucket, key := s.Bucket, o.key
	owner := &s.Caller.Account
	sum, err := hex.DecodeString(o.sha256)
	if err != nil {
		return false, fmt.Errorf("upload %s: SHA-256 %q: %w", key, o.sha256, err)
	}
	checksum := base64.StdEncoding.EncodeToString(sum)
	head, err := s.API.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner, ChecksumMode: types.ChecksumModeEnabled})
	if err == nil {
		return false, s.verify(ctx, key, head, o.size, checksum)
	}
	if httpStatus(err) != statusMissing {
		return false, fmt.Errorf("look for %s in bucket %s: %w", key, bucket, err)
	}
	body, err := o.content()
	if err != nil {
		return false, fmt.Errorf("upload %s: %w", key, err)
	}
	_, err = s.API.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner, Body: bytes.NewReader(body), ContentType: &o.contentType,
		ChecksumSHA256: &checksum, IfNoneMatch: aws.String("*"),
	})
	if httpStatus(err) == http.StatusPreconditionFailed { // another run was faster
		head, err := s.API.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			return false, fmt.Errorf("look for %s in bucket %s: %w", key, bucket, err)
		}
		return false, s.verify(ctx, key, head, o.size, checksum)
	}
	if err != nil {
		return false, fmt.Errorf("upload %s to bucket %s: %w", key, bucket, err)
	}
	return true, nil
}

// verify compares an object of the bucket with the content that belongs to its key: a
// key is only a name, and others may write to the bucket.
func (s *Store) verify(ctx context.Context, key string, head *s3.HeadObjectOutput, size int, checksum string) error {
	if n := aws.ToInt64(head.ContentLength); n != int64(size) {
		return fmt.Errorf("upload %s to bucket %s: the existing object has %d bytes instead of %d; delete it and run the same command again", key, s.Bucket, n, size)
	}
	found := aws.ToString(head.ChecksumSHA256)
	if found == "" { // uploaded by another program
		out, err := s.API.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key, ExpectedBucketOwner: &s.Caller.Account})
		if err != nil {
			return fmt.Errorf("read %s in bucket %s: %w", key, s.Bucket, err)
		}
		hash := sha256.New()
		_, err = io.Copy(hash, io.LimitReader(out.Body, int64(size)+1))
		if err = errors.Join(err, out.Body.Close()); err != nil {
			return fmt.Errorf("read %s in bucket %s: %w", key, s.Bucket, err)
		}
		found = base64.StdEncoding.EncodeToString(hash.Sum(nil))
	}
	if found != checksum {
		return fmt.Errorf("upload %s to bucket %s: the existing object has the SHA-256 %s instead of %s, so another program wrote it; delete it and run the same command again", key, s.Bucket, found, checksum)
	}
	return nil
}

// UploadTemplate uploads a template and returns its URL.
func (s *Store) UploadTemplate(ctx context.Context, body []byte) (url string, err error) {
	if err := s.Ensure(ctx); err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	key := templateFolder + digest + ".yaml"
	o := object{key: key, contentType: "application/yaml", size: len(body), sha256: digest, content: func() ([]byte, error) { return body, nil }}
	if _, err := s.put(ctx, o); err != nil {
		return "", err
	}
	return fmt.Sprintf("https://%s.s3.%s.%s/%s", s.Bucket, s.Caller.Region, s.Caller.URLSuffix(), key), nil
}

// EnsureAndUpload creates the bucket if necessary, uploads the artifacts that it lacks,
// and reports their number.
func (s *Store) EnsureAndUpload(ctx context.Context, artifacts []artifact.Artifact) error {
	if err := s.Ensure(ctx); err != nil {
		return err
	}
	sent, err := s.Upload(ctx, artifacts)
	switch {
	case err != nil:
		return err
	case len(sent) == 0:
		s.Step("The functions' code is in bucket %s already", s.Bucket)
	case len(sent) == len(artifacts):
		s.Step("Uploaded %d functions to bucket %s", len(sent), s.Bucket)
	default:
		s.Step("Uploaded %d of %d functions to bucket %s", len(sent), len(artifacts), s.Bucket)
	}
	return nil
}
