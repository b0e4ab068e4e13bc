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

// pageFile is a file of the page, with the tag by which a browser knows it.
type pageFile struct {
	kind, tag string
	body      []byte
}

// kindOf is the type of a file.
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

// pageFiles are the page's files by the pattern of their paths. What is embedded
// can be read, and a test asks for each.
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
	h.Set("Cache-Control", "no-cache") // kept, and asked for each time whether it is still the same
	h.Set("ETag", f.tag)
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method != http.MethodHead {
		w.Write(f.body) //nolint:errcheck // a browser that went away misses nothing
	}
}
