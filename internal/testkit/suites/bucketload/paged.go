package bucketload

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// Paged is a stand-in that does almost nothing, so that a client's own limits
// are visible: one bucket of any name, with one version per key. Unlike Memory
// and moto it continues a listing like S3, after the end of the previous page,
// even if that was deleted.
type Paged struct {
	// Listing and Deleting are the duration of such a call; 0 means
	// immediately.
	Listing, Deleting time.Duration

	mu      sync.Mutex
	deleted []bool
	first   int // all before it are deleted
	left    int
}

// NewPaged returns a stand-in with a number of versions.
func NewPaged(versions int) *Paged { return &Paged{deleted: make([]bool, versions), left: versions} }

// Left returns the number of remaining versions.
func (p *Paged) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

const (
	pageSize  = 1000
	pagedHead = `<?xml version="1.0" encoding="UTF-8"?><%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
	// keyWidth is the length of a key: a padded number, so that keys sort.
	keyWidth     = 10
	pagedVersion = `<Version><Key>%0*d</Key><VersionId>3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY</VersionId><IsLatest>true</IsLatest>` +
		`<LastModified>2026-11-23T12:00:00.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>1</Size>` +
		`<StorageClass>STANDARD</StorageClass><Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner></Version>`
)

func (p *Paged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "IncompleteBody", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	switch query := r.URL.Query(); {
	case query.Has("versions"):
		if pause.For(r.Context(), p.Listing) == nil {
			answer(w, p.list(query.Get("key-marker")))
		}
	case query.Has("delete"):
		if pause.For(r.Context(), p.Deleting) == nil {
			answer(w, p.delete(body))
		}
	case query.Has("uploads"):
		answer(w, fmt.Appendf(nil, pagedHead+`<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`, "ListMultipartUploadsResult"))
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented", r.Method+" "+r.URL.String())
	}
}

func (p *Paged) list(marker string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.first < len(p.deleted) && p.deleted[p.first] {
		p.first++
	}
	from := p.first
	if n, err := strconv.Atoi(marker); err == nil {
		from = max(from, n+1)
	}
	out := fmt.Appendf(nil, pagedHead, "ListVersionsResult")
	listed, last := 0, 0
	for ; from < len(p.deleted) && listed < pageSize; from++ {
		if !p.deleted[from] {
			out = fmt.Appendf(out, pagedVersion, keyWidth, from)
			listed, last = listed+1, from
		}
	}
	if from == len(p.deleted) {
		return append(out, `<IsTruncated>false</IsTruncated></ListVersionsResult>`...)
	}
	return fmt.Appendf(out, `<IsTruncated>true</IsTruncated><NextKeyMarker>%0*d</NextKeyMarker><NextVersionIdMarker>3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY</NextVersionIdMarker></ListVersionsResult>`, keyWidth, last)
}

func (p *Paged) delete(body []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	quiet := bytes.Contains(body, []byte("<Quiet>true</Quiet>"))
	out := fmt.Appendf(nil, pagedHead, "DeleteResult")
	for {
		_, after, ok := bytes.Cut(body, []byte("<Key>"))
		if !ok {
			return append(out, `</DeleteResult>`...)
		}
		key := after[:min(keyWidth, len(after))]
		if n, err := strconv.Atoi(string(key)); err == nil && n < len(p.deleted) && !p.deleted[n] {
			p.deleted[n] = true
			p.left--
		}
		if !quiet {
			out = fmt.Appendf(out, `<Deleted><Key>%s</Key><VersionId>3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY</VersionId></Deleted>`, key)
		}
		body = after
	}
}
