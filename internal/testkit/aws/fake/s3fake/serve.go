package s3fake

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

// Serve serves a request whose operation Identify has determined; body is the
// body as sent.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, o Operation, body []byte) error {
	err := s.serve(w, r, o, body)
	if err != nil {
		WriteError(w, r, err)
	}
	return err
}

// WriteError writes an error in S3's format: without a body for HEAD.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := wire.AsError(err)
	id := wire.NewID(8)
	w.Header().Set("X-Amz-Request-Id", id)
	if r.Method == http.MethodHead {
		w.WriteHeader(e.Status)
		return
	}
	nodes := []wire.Node{wire.Text("Code", e.Code), wire.Text("Message", e.Message), wire.Text("RequestId", id), wire.Text("HostId", id)}
	if e.Status == http.StatusPreconditionFailed {
		nodes = append(nodes, wire.Text("Condition", "If-None-Match"))
	}
	wire.WriteXML(w, e.Status, wire.Group("Error", nodes...))
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request, o Operation, body []byte) error {
	data, err := decodeBody(r, body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner := r.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != s.account && o.Bucket != "" {
		return refuse(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	w.Header().Set("X-Amz-Request-Id", wire.NewID(8))
	switch o.Name {
	case "ListBuckets":
		s.listBuckets(w)
		return nil
	case "CreateBucket":
		return s.createBucket(w, r, o.Bucket, data)
	}
	b, err := s.bucket(o.Bucket)
	if err != nil {
		return err
	}
	if b.region != "" && b.region != s.region {
		w.Header().Set("X-Amz-Bucket-Region", b.region)
		return refuse(http.StatusMovedPermanently, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
	}
	if o.Action == "PutObject" && b.denied("s3:PutObject", o.Resource()) {
		return refuse(http.StatusForbidden, "AccessDenied", "User is not authorized to perform: s3:PutObject on resource: "+o.Resource()+" with an explicit deny in a resource-based policy")
	}
	if o.Key == "" {
		return s.serveBucket(w, r, o, b, data)
	}
	return s.serveObject(w, r, o, b, data)
}

func (s *Store) listBuckets(w http.ResponseWriter) {
	var names []string
	for name := range s.buckets {
		names = append(names, name)
	}
	wire.WriteXML(w, http.StatusOK, wire.Group("ListAllMyBucketsResult"+namespace,
		wire.List("Buckets", "Bucket", names, func(name string) []wire.Node {
			return []wire.Node{wire.Text("Name", name), wire.Text("CreationDate", stamp(s.buckets[name].created))}
		}),
		wire.Group("Owner", wire.Text("ID", s.account))))
}

func (s *Store) createBucket(w http.ResponseWriter, r *http.Request, name string, body []byte) error {
	if len(name) < 3 || len(name) > 63 || strings.ToLower(name) != name || strings.Contains(name, "_") {
		return refuse(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	}
	var location struct {
		LocationConstraint string
		Tags               struct {
			Tag []struct{ Key, Value string }
		}
	}
	if len(body) > 0 {
		if err := xml.Unmarshal(body, &location); err != nil {
			return malformed()
		}
	}
	switch {
	case s.region == "us-east-1" && location.LocationConstraint == "us-east-1":
		return refuse(http.StatusBadRequest, "InvalidLocationConstraint", "The specified location-constraint is not valid")
	case s.region != "us-east-1" && location.LocationConstraint != s.region:
		return refuse(http.StatusBadRequest, "IllegalLocationConstraintException", "The "+location.LocationConstraint+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	if _, ok := s.buckets[name]; ok && s.region != "us-east-1" {
		return refuse(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	} else if !ok {
		b := &bucket{name: name, created: time.Now(), keys: map[string][]*version{}, uploads: map[string]*upload{}, settings: map[string][]byte{}}
		if r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled") == "true" {
			b.versioning = "Enabled"
		}
		if tags := location.Tags.Tag; len(tags) > 0 {
			b.settings["tagging"] = tagSet(tags)
		}
		s.buckets[name] = b
	}
	w.Header().Set("Location", "/"+name)
	w.WriteHeader(http.StatusOK)
	return nil
}

// tagSet is the body of GetBucketTagging for the tags of CreateBucket.
func tagSet(tags []struct{ Key, Value string }) []byte {
	set := wire.Group("TagSet")
	for _, t := range tags {
		set.Children = append(set.Children, wire.Group("Tag", wire.Text("Key", t.Key), wire.Text("Value", t.Value)))
	}
	var b strings.Builder
	wire.Group("Tagging"+namespace, set).Write(&b)
	return []byte(b.String())
}

func (s *Store) serveBucket(w http.ResponseWriter, r *http.Request, o Operation, b *bucket, body []byte) error {
	q := r.URL.Query()
	switch o.Name {
	case "HeadBucket":
		w.Header().Set("X-Amz-Bucket-Region", s.region)
		w.WriteHeader(http.StatusOK)
	case "DeleteBucket":
		if len(b.keys) > 0 {
			return refuse(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
		}
		delete(s.buckets, b.name)
		w.WriteHeader(http.StatusNoContent)
	case "GetBucketLocation":
		location := s.region
		if location == "us-east-1" {
			location = ""
		}
		wire.WriteXML(w, http.StatusOK, wire.Text("LocationConstraint"+namespace, location))
	case "GetBucketVersioning":
		wire.WriteXML(w, http.StatusOK, wire.Group("VersioningConfiguration"+namespace, wire.Optional("Status", b.versioning)))
	case "PutBucketVersioning":
		var v struct{ Status string }
		if err := xml.Unmarshal(body, &v); err != nil || v.Status != "Enabled" && v.Status != "Suspended" {
			return malformed()
		}
		b.versioning = v.Status
		w.WriteHeader(http.StatusOK)
	case "ListObjectVersions":
		return b.listVersions(w, q)
	case "ListObjectsV2", "ListObjects":
		return b.listObjects(w, q)
	case "ListMultipartUploads":
		b.listUploads(w, q)
	case "DeleteObjects":
		return b.deleteObjects(w, r, body)
	default:
		return b.serveSetting(w, r, body)
	}
	return nil
}

// serveSetting stores a bucket's subresource unchanged and returns it.
func (b *bucket) serveSetting(w http.ResponseWriter, r *http.Request, body []byte) error {
	for _, s := range settings() {
		if !r.URL.Query().Has(s.query) {
			continue
		}
		switch r.Method {
		case http.MethodPut:
			b.settings[s.query] = bytes.Clone(body)
			w.WriteHeader(http.StatusOK)
		case http.MethodDelete:
			delete(b.settings, s.query)
			w.WriteHeader(http.StatusNoContent)
		default:
			return b.writeSetting(w, s)
		}
		return nil
	}
	return refuse(http.StatusNotImplemented, "NotImplemented", fmt.Sprintf("the fake's S3 has no %s of %q", r.Method, r.URL.RawQuery))
}

func (b *bucket) writeSetting(w http.ResponseWriter, s setting) error {
	data, ok := b.settings[s.query]
	switch {
	case ok:
		mediaType := "application/xml"
		if s.query == "policy" {
			mediaType = "application/json"
		}
		w.Header().Set("Content-Type", mediaType)
		_, err := w.Write(data)
		return err
	case s.query == "encryption": // since 2023 every bucket has a default
		wire.WriteXML(w, http.StatusOK, wire.Group("ServerSideEncryptionConfiguration"+namespace, wire.Group("Rule",
			wire.Group("ApplyServerSideEncryptionByDefault", wire.Text("SSEAlgorithm", "AES256")), wire.Bool("BucketKeyEnabled", false))))
	case s.missing == "":
		wire.WriteXML(w, http.StatusOK, wire.Group(s.noun+namespace))
	default:
		return refuse(http.StatusNotFound, s.missing, s.missingText)
	}
	return nil
}

func malformed() error {
	return refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
