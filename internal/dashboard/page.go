package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page
var page embed.FS

// pageFile is a file of the page, with the tag by which a browser knows it.
type pageFile struct {
	kind, tag string
	body      []byte
}

// pageFiles are the page's files by path.
func pageFiles() map[string]pageFile {
	files := map[string]pageFile{}
	for path, f := range map[string]struct{ name, kind string }{
		"/{$}":       {"index.html", "text/html; charset=utf-8"},
		"/app.js":    {"app.js", "text/javascript; charset=utf-8"},
		"/style.css": {"style.css", "text/css; charset=utf-8"},
		"/icon.svg":  {"icon.svg", "image/svg+xml"},
	} {
		body, err := page.ReadFile("page/" + f.name)
		if err != nil { // can't be: the compiler put it there, and a test asks for each
			continue
		}
		sum := sha256.Sum256(body)
		files[path] = pageFile{f.kind, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, body}
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
