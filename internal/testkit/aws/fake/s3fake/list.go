package s3fake

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

func maxKeys(q url.Values) int {
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil && n >= 0 && n < 1000 {
		return n
	}
	return 1000
}

// listVersions lists versions and delete markers by key, newest first.
func (b *bucket) listVersions(w http.ResponseWriter, q url.Values) error {
	prefix, keyMarker, idMarker := q.Get("prefix"), q.Get("key-marker"), q.Get("version-id-marker")
	if idMarker != "" && keyMarker == "" {
		return refuse(http.StatusBadRequest, "InvalidArgument", "A version-id marker cannot be specified without a key marker.")
	}
	encode, limit := encoder(q), maxKeys(q)
	var (
		entries []wire.Node
		last    *version
		more    bool
	)
	for _, key := range b.sorted() {
		if !strings.HasPrefix(key, prefix) || key < keyMarker || key == keyMarker && idMarker == "" {
			continue
		}
		versions := slices.Clone(b.keys[key])
		slices.Reverse(versions)
		newest := versions[0]
		if key == keyMarker {
			// If the marker has been deleted in the meantime, resume with the
			// rest of its key.
			if i := slices.IndexFunc(versions, func(v *version) bool { return v.id == idMarker }); i >= 0 {
				versions = versions[i+1:]
			}
		}
		for _, v := range versions {
			if len(entries) == limit {
				more = true
				break
			}
			entries = append(entries, v.entry(encode, v == newest))
			last = v
		}
		if more {
			break
		}
	}
	root := wire.Group("ListVersionsResult"+namespace, wire.Text("Name", b.name), wire.Text("Prefix", encode(prefix)),
		rawText("KeyMarker", encode(keyMarker)), wire.Text("VersionIdMarker", idMarker), number("MaxKeys", limit),
		wire.Bool("IsTruncated", more), wire.Optional("EncodingType", q.Get("encoding-type")))
	if more && last != nil {
		root.Children = append(root.Children, rawText("NextKeyMarker", encode(last.key)), wire.Text("NextVersionIdMarker", last.id))
	}
	root.Children = append(root.Children, entries...)
	wire.WriteXML(w, http.StatusOK, root)
	return nil
}

func (v *version) entry(encode func(string) string, latest bool) wire.Node {
	nodes := []wire.Node{
		rawText("Key", encode(v.key)), wire.Text("VersionId", v.id), wire.Bool("IsLatest", latest), wire.Text("LastModified", stamp(v.modified)),
	}
	if v.marker {
		return wire.Group("DeleteMarker", nodes...)
	}
	return wire.Group("Version", append(nodes, wire.Text("ETag", `"`+v.etag+`"`), number("Size", len(v.data)), wire.Text("StorageClass", "STANDARD"))...)
}

// listObjects handles ListObjects and ListObjectsV2, including the delimiter.
func (b *bucket) listObjects(w http.ResponseWriter, q url.Values) error {
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	second := q.Get("list-type") == "2"
	after := q.Get("marker")
	if second {
		after = max(q.Get("start-after"), q.Get("continuation-token"))
	}
	encode, limit := encoder(q), maxKeys(q)
	var (
		entries []wire.Node
		groups  []string
		last    string
		more    bool
	)
	for _, key := range b.sorted() {
		v := b.current(key)
		if v == nil || !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		group := ""
		if i := strings.Index(key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			group = key[:len(prefix)+i+len(delimiter)]
			if slices.Contains(groups, group) || after >= group && strings.HasPrefix(after, group) {
				last = key
				continue
			}
		}
		if len(entries)+len(groups) == limit {
			more = true
			break
		}
		last = key
		if group != "" {
			groups = append(groups, group)
			continue
		}
		entries = append(entries, wire.Group("Contents", rawText("Key", encode(key)), wire.Text("LastModified", stamp(v.modified)),
			wire.Text("ETag", `"`+v.etag+`"`), number("Size", len(v.data)), wire.Text("StorageClass", "STANDARD")))
	}
	root := wire.Group("ListBucketResult"+namespace, wire.Text("Name", b.name), wire.Text("Prefix", encode(prefix)), number("MaxKeys", limit),
		wire.Bool("IsTruncated", more), wire.Optional("Delimiter", encode(delimiter)), wire.Optional("EncodingType", q.Get("encoding-type")))
	if second {
		root.Children = append(root.Children, number("KeyCount", len(entries)+len(groups)))
	}
	if more && second {
		root.Children = append(root.Children, wire.Text("NextContinuationToken", last))
	} else if more {
		root.Children = append(root.Children, wire.Text("NextMarker", encode(last)))
	}
	root.Children = append(root.Children, entries...)
	for _, group := range groups {
		root.Children = append(root.Children, wire.Group("CommonPrefixes", wire.Text("Prefix", encode(group))))
	}
	wire.WriteXML(w, http.StatusOK, root)
	return nil
}
