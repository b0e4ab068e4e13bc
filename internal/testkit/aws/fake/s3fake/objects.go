package s3fake

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

func (s *Store) serveObject(w http.ResponseWriter, r *http.Request, o Operation, b *bucket, body []byte) error {
	q := r.URL.Query()
	switch o.Name {
	case "PutObject":
		if err := b.condition(r, o.Key); err != nil {
			return err
		}
		v := b.put(o.Key, bytes.Clone(body), kept(r.Header))
		b.writeVersion(w, v)
		w.WriteHeader(http.StatusOK)
	case "CopyObject":
		return s.copyObject(w, r, b, o.Key)
	case "GetObject", "HeadObject":
		return b.getObject(w, r, o.Key, q.Get("versionId"))
	case "DeleteObject":
		gone := b.remove(o.Key, q.Get("versionId"))
		if gone != nil && gone.marker {
			w.Header().Set("X-Amz-Delete-Marker", "true")
		}
		if gone != nil && b.versioning != "" {
			w.Header().Set("X-Amz-Version-Id", gone.id)
		}
		w.WriteHeader(http.StatusNoContent)
	case "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts":
		return b.serveUpload(w, r, o, body)
	default:
		return refuse(http.StatusNotImplemented, "NotImplemented", "the fake's S3 has no "+o.Name)
	}
	return nil
}

// condition checks If-None-Match and If-Match of a write.
func (b *bucket) condition(r *http.Request, key string) error {
	none, match := r.Header.Get("If-None-Match"), r.Header.Get("If-Match")
	current := b.current(key)
	switch {
	case none != "" && none != "*":
		return refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	case none == "*" && current != nil, match != "" && current != nil && strings.Trim(match, `"`) != current.etag:
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case match != "" && current == nil:
		return refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	}
	return nil
}

// kept returns the headers that are stored with an object.
func kept(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		switch {
		case name == "X-Amz-Checksum-Mode", name == "X-Amz-Checksum-Algorithm":
		case strings.HasPrefix(name, "X-Amz-Meta-"), strings.HasPrefix(name, "X-Amz-Checksum-"), strings.HasPrefix(name, "X-Amz-Server-Side-Encryption"),
			name == "Content-Type", name == "Cache-Control", name == "Content-Disposition":
			out[name] = values
		case name == "Content-Encoding":
			encodings := slices.DeleteFunc(strings.Split(values[0], ","), func(e string) bool { return strings.TrimSpace(e) == "aws-chunked" || e == "" })
			if len(encodings) > 0 {
				out.Set(name, strings.Join(encodings, ","))
			}
		}
	}
	return out
}

func (b *bucket) writeVersion(w http.ResponseWriter, v *version) {
	w.Header().Set("Etag", `"`+v.etag+`"`)
	w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	if b.versioning != "" {
		w.Header().Set("X-Amz-Version-Id", v.id)
	}
	for name, values := range v.header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") || strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
			w.Header()[name] = values
		}
	}
}

func (b *bucket) getObject(w http.ResponseWriter, r *http.Request, key, id string) error {
	v, err := b.find(key, id)
	if err != nil {
		if versions := b.keys[key]; id == "" && len(versions) > 0 {
			w.Header().Set("X-Amz-Delete-Marker", "true")
		}
		return err
	}
	b.writeVersion(w, v)
	if r.Header.Get("X-Amz-Checksum-Mode") == "" {
		for name := range w.Header() {
			if strings.HasPrefix(name, "X-Amz-Checksum-") {
				w.Header().Del(name)
			}
		}
	}
	for name, values := range v.header {
		if !strings.HasPrefix(name, "X-Amz-Checksum-") {
			w.Header()[name] = values
		}
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "binary/octet-stream")
	}
	http.ServeContent(w, r, "", v.modified, bytes.NewReader(v.data)) // handles ranges and If-* headers of reads
	return nil
}

func (s *Store) copyObject(w http.ResponseWriter, r *http.Request, to *bucket, key string) error {
	source, query, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/"), "?versionId=")
	source, err := url.PathUnescape(source)
	if err != nil {
		return refuse(http.StatusBadRequest, "InvalidArgument", "Copy source is not a valid key")
	}
	name, sourceKey, _ := strings.Cut(source, "/")
	from, err := s.bucket(name)
	if err != nil {
		return err
	}
	v, err := from.find(sourceKey, query)
	if err != nil {
		return err
	}
	header := maps.Clone(v.header)
	if r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		header = kept(r.Header)
	}
	made := to.put(key, v.data, header)
	to.writeVersion(w, made)
	wire.WriteXML(w, http.StatusOK, wire.Group("CopyObjectResult"+namespace, wire.Text("ETag", `"`+made.etag+`"`), wire.Text("LastModified", stamp(made.modified))))
	return nil
}

// deleteObjects deletes up to 1,000 keys or versions; like AWS it rejects more,
// and requests without a checksum.
func (b *bucket) deleteObjects(w http.ResponseWriter, r *http.Request, body []byte) error {
	var in struct {
		Quiet  bool
		Object []struct{ Key, VersionId string }
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Object) == 0 || len(in.Object) > 1000 {
		return malformed()
	}
	checked := r.Header.Get("Content-Md5") != ""
	for name := range r.Header {
		checked = checked || strings.HasPrefix(name, "X-Amz-Checksum-")
	}
	if !checked {
		return refuse(http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	result := wire.Group("DeleteResult" + namespace)
	for _, o := range in.Object {
		gone := b.remove(o.Key, o.VersionId)
		if in.Quiet {
			continue
		}
		nodes := []wire.Node{wire.Text("Key", o.Key), wire.Optional("VersionId", o.VersionId)}
		if gone != nil && gone.marker {
			nodes = append(nodes, wire.Bool("DeleteMarker", true), wire.Text("DeleteMarkerVersionId", gone.id))
		}
		result.Children = append(result.Children, wire.Group("Deleted", nodes...))
	}
	wire.WriteXML(w, http.StatusOK, result)
	return nil
}

// encoder returns a function that encodes keys according to the request's
// encoding-type.
func encoder(q url.Values) func(string) string {
	if q.Get("encoding-type") != "url" {
		return func(s string) string { return s }
	}
	return func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
}

func number(name string, n int) wire.Node { return wire.Text(name, fmt.Sprint(n)) }

// rawText is wire.Text for a key: without an encoding, characters that XML can't carry make
// the response unreadable, as S3's.
func rawText(name, text string) wire.Node { return wire.Node{Name: name, Text: text, Raw: true} }
