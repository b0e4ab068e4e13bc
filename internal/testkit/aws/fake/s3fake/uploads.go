package s3fake

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

func (b *bucket) serveUpload(w http.ResponseWriter, r *http.Request, o Operation, body []byte) error {
	q := r.URL.Query()
	if o.Name == "CreateMultipartUpload" {
		u := &upload{id: wire.NewID(16), key: o.Key, started: time.Now(), header: kept(r.Header), parts: map[int]*version{}}
		b.uploads[u.id] = u
		wire.WriteXML(w, http.StatusOK, wire.Group("InitiateMultipartUploadResult"+namespace,
			wire.Text("Bucket", b.name), wire.Text("Key", o.Key), wire.Text("UploadId", u.id)))
		return nil
	}
	u, ok := b.uploads[q.Get("uploadId")]
	if !ok || u.key != o.Key {
		return refuse(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	}
	switch o.Name {
	case "UploadPart":
		n, err := strconv.Atoi(q.Get("partNumber"))
		if err != nil || n < 1 || n > 10000 {
			return refuse(http.StatusBadRequest, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
		}
		sum := md5.Sum(body)
		u.parts[n] = &version{data: slices.Clone(body), etag: hex.EncodeToString(sum[:]), modified: time.Now(), header: kept(r.Header)}
		b.writeVersion(w, u.parts[n])
		w.WriteHeader(http.StatusOK)
	case "AbortMultipartUpload":
		delete(b.uploads, u.id)
		w.WriteHeader(http.StatusNoContent)
	case "CompleteMultipartUpload":
		return b.complete(w, r, u, body)
	case "ListParts":
		root := wire.Group("ListPartsResult"+namespace, wire.Text("Bucket", b.name), wire.Text("Key", u.key), wire.Text("UploadId", u.id), wire.Bool("IsTruncated", false))
		for n := 1; n <= 10000 && len(root.Children) < len(u.parts)+4; n++ {
			if p, ok := u.parts[n]; ok {
				root.Children = append(root.Children, wire.Group("Part", number("PartNumber", n), wire.Text("ETag", `"`+p.etag+`"`), number("Size", len(p.data)), wire.Text("LastModified", stamp(p.modified))))
			}
		}
		wire.WriteXML(w, http.StatusOK, root)
	}
	return nil
}

// complete joins the parts listed in the request.
func (b *bucket) complete(w http.ResponseWriter, r *http.Request, u *upload, body []byte) error {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Part) == 0 {
		return malformed()
	}
	if err := b.condition(r, u.key); err != nil {
		return err
	}
	var data, sums []byte
	for i, p := range in.Part {
		part, ok := u.parts[p.PartNumber]
		switch {
		case !ok || strings.Trim(p.ETag, `"`) != part.etag:
			return refuse(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found.")
		case i > 0 && p.PartNumber <= in.Part[i-1].PartNumber:
			return refuse(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		case i < len(in.Part)-1 && len(part.data) < 5<<20:
			return refuse(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		data = append(data, part.data...)
		sum := md5.Sum(part.data)
		sums = append(sums, sum[:]...)
	}
	delete(b.uploads, u.id)
	v := b.put(u.key, data, u.header)
	sum := md5.Sum(sums)
	v.etag = fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:]), len(in.Part))
	b.writeVersion(w, v)
	wire.WriteXML(w, http.StatusOK, wire.Group("CompleteMultipartUploadResult"+namespace,
		wire.Text("Bucket", b.name), wire.Text("Key", u.key), wire.Text("ETag", `"`+v.etag+`"`)))
	return nil
}

func (b *bucket) listUploads(w http.ResponseWriter, q url.Values) {
	encode := encoder(q)
	root := wire.Group("ListMultipartUploadsResult"+namespace, wire.Text("Bucket", b.name), wire.Bool("IsTruncated", false), wire.Optional("EncodingType", q.Get("encoding-type")))
	var ids []string
	for id := range b.uploads {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y string) int { return strings.Compare(b.uploads[x].key+x, b.uploads[y].key+y) })
	for _, id := range ids {
		u := b.uploads[id]
		root.Children = append(root.Children, wire.Group("Upload", rawText("Key", encode(u.key)), wire.Text("UploadId", id), wire.Text("Initiated", stamp(u.started)), wire.Text("StorageClass", "STANDARD")))
	}
	wire.WriteXML(w, http.StatusOK, root)
}

// Uploads counts the unfinished multipart uploads of a bucket.
func (s *Store) Uploads(bucketName string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.buckets[bucketName]; ok {
		return len(b.uploads)
	}
	return 0
}
