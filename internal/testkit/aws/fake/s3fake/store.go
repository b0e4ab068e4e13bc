// Package s3fake is a small S3: versions, delete markers, multipart uploads,
// conditional writes and the bucket settings that a deploy uses, over
// path-style REST. Objects are in memory.
package s3fake

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Store holds the buckets of one account.
type Store struct {
	account, region string

	mu      sync.Mutex
	buckets map[string]*bucket
}

// New returns an empty store.
func New(account, region string) *Store {
	return &Store{account: account, region: region, buckets: map[string]*bucket{}}
}

type bucket struct {
	name       string
	region     string // empty for the store's
	created    time.Time
	versioning string // "", Enabled or Suspended
	keys       map[string][]*version
	uploads    map[string]*upload
	settings   map[string][]byte // by subresource, the body as sent
}

// version is one version of an object, or a delete marker.
type version struct {
	key, id, etag string
	data          []byte
	marker        bool
	modified      time.Time
	header        http.Header // content type, metadata, checksums
}

type upload struct {
	id, key string
	started time.Time
	header  http.Header
	parts   map[int]*version
}

func refuse(status int, code, message string) error {
	return &wire.Error{Status: status, Code: code, Message: message}
}

func (s *Store) bucket(name string) (*bucket, error) {
	b, ok := s.buckets[name]
	if !ok {
		return nil, refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	}
	return b, nil
}

// CreateBucket creates a bucket, like CloudFormation.
func (s *Store) CreateBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.buckets[name]; ok {
		return refuse(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	s.buckets[name] = &bucket{
		name: name, created: time.Now(), keys: map[string][]*version{},
		uploads: map[string]*upload{}, settings: map[string][]byte{},
	}
	return nil
}

// SetRegion moves a bucket to another region, whose endpoint this is not: every call
// for it gets a redirect.
func SetRegion(s *Store, name, region string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	b.region = region
	return nil
}

// Settings returns copies of a bucket's stored subresources, by query name, and its
// versioning.
func Settings(s *Store, name string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return nil
	}
	out := map[string]string{"versioning": b.versioning}
	for query, body := range b.settings {
		out[query] = string(body)
	}
	return out
}

// SetVersioning sets Enabled or Suspended.
func (s *Store) SetVersioning(name, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	b.versioning = status
	return nil
}

// Versioning returns a bucket's versioning: empty, Enabled or Suspended; ok is
// false if the bucket doesn't exist.
func (s *Store) Versioning(name string) (status string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return "", false
	}
	return b.versioning, true
}

// DeleteBucket fails while a version or delete marker remains.
func (s *Store) DeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	if len(b.keys) > 0 {
		message := "The bucket you tried to delete is not empty"
		if b.versioning != "" {
			message += ". You must delete all versions in the bucket."
		}
		return refuse(http.StatusConflict, "BucketNotEmpty", message)
	}
	delete(s.buckets, name)
	return nil
}

// Empty removes every version, delete marker and upload of a bucket.
func (s *Store) Empty(bucketName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return err
	}
	clear(b.keys)
	clear(b.uploads)
	return nil
}

// Buckets lists every bucket, sorted.
func (s *Store) Buckets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.buckets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Put stores an object, like an AWS service.
func (s *Store) Put(bucketName, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return err
	}
	b.put(key, data, http.Header{})
	return nil
}

// Get returns an object's current version.
func (s *Store) Get(bucketName, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil, err
	}
	v, err := b.find(key, "")
	if err != nil {
		return nil, err
	}
	return v.data, nil
}

// Keys lists the objects of a bucket that have a current version, sorted.
func (s *Store) Keys(bucketName string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(b.sorted(), func(key string) bool { return b.current(key) == nil })
}

// Versions counts a bucket's object versions and delete markers.
func (s *Store) Versions(bucketName string) (objects, markers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return 0, 0
	}
	for _, versions := range b.keys {
		for _, v := range versions {
			if v.marker {
				markers++
			} else {
				objects++
			}
		}
	}
	return objects, markers
}

func (b *bucket) sorted() []string {
	keys := make([]string, 0, len(b.keys))
	for key := range b.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// current returns a key's newest version unless it is a delete marker.
func (b *bucket) current(key string) *version {
	versions := b.keys[key]
	if len(versions) == 0 || versions[len(versions)-1].marker {
		return nil
	}
	return versions[len(versions)-1]
}

// find returns a version; an empty id means the current one.
func (b *bucket) find(key, id string) (*version, error) {
	if id == "" {
		if v := b.current(key); v != nil {
			return v, nil
		}
		return nil, refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	}
	for _, v := range b.keys[key] {
		if v.id == id {
			if v.marker {
				return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
			}
			return v, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
}

func (b *bucket) put(key string, data []byte, header http.Header) *version {
	sum := md5.Sum(data)
	v := &version{key: key, data: data, etag: hex.EncodeToString(sum[:]), modified: time.Now(), header: header}
	b.push(v)
	return v
}

// push makes v the newest version; without versioning it replaces version
// "null".
func (b *bucket) push(v *version) {
	v.id = "null"
	if b.versioning == "Enabled" {
		v.id = wire.NewID(16)
	}
	others := slices.DeleteFunc(b.keys[v.key], func(o *version) bool { return o.id == "null" && v.id == "null" })
	b.keys[v.key] = append(others, v)
}

// remove deletes a version for good, or, without an id, adds a delete marker;
// it returns the marker or the deleted version.
func (b *bucket) remove(key, id string) *version {
	if id == "" {
		if b.versioning != "" {
			v := &version{key: key, marker: true, modified: time.Now()}
			b.push(v)
			return v
		}
		delete(b.keys, key)
		return nil
	}
	versions := b.keys[key]
	i := slices.IndexFunc(versions, func(v *version) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	gone := versions[i]
	if versions = slices.Delete(versions, i, i+1); len(versions) == 0 {
		delete(b.keys, key)
	} else {
		b.keys[key] = versions
	}
	return gone
}
