package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed page/*.html page/*.js page/*.css page/*.svg
var page embed.FS

// pageFile is a file of the page with its ETag.
type pageFile struct {
	kind, tag string
	body      []byte
}

// kindOf returns the media type of a file.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

// pageFiles returns the page's files by path pattern. Reading an embedded file can't
// fail; a test requests each.
func pageFiles() map[string]pageFile {
	files := map[string]pageFile{}
	names, _ := fs.Glob(page, "page/*")
	for _, name := range names {
		body, _ := page.ReadFile(name)
		sum := sha256.Sum256(body)
		at := "/" + path.Base(name)
		if at == "/index.html" {
			at = "/{$}"
		}
		files[at] = pageFile{kindOf(name), `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, body}
	}
	return files
}

func (f pageFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache") // cached, but revalidated each time
	h.Set("ETag", f.tag)
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method != http.MethodHead {
		w.Write(f.body) //nolint:errcheck // the client may have gone
	}
}
