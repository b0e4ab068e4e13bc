// Package bucketload puts S3 servers that somebody else wrote under the load that
// emptying a bucket of a live stream is: many versions, and writers that go on.
package bucketload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Front stands before an S3 server. It adds bucket policies, as far as one denies
// everybody to put objects, to a server that applies none; it can be busy; and
// it keeps count.
type Front struct {
	// Server answers what is let through.
	Server http.Handler
	// BusyOfTen is how many of ten listings and deletes are answered with
	// SlowDown, 0 to 9.
	BusyOfTen int

	mu       sync.Mutex
	policies map[string][]byte
	seen     Seen
	inFlight int
}

// Seen is what a Front counted.
type Seen struct {
	// Lists and Deletes are listings of versions and DeleteObjects calls that were
	// let through, Busy those that weren't.
	Lists, Deletes, Busy int
	// Keys is how many keys there were in all deletes, MostKeys in the largest.
	Keys, MostKeys int
	// AtATime is how many deletes there were at a time at most.
	AtATime int
	// Serving is how long the server took for both, added up.
	Serving time.Duration
	// Denied are objects that the policy kept out.
	Denied int
}

// Seen gives what was counted until now.
func (f *Front) Seen() Seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	switch {
	case key == "" && query.Has("policy"):
		f.policy(w, r, bucket)
	case key != "" && r.Method == http.MethodPut && f.denies(bucket):
		refuse(w, http.StatusForbidden, "AccessDenied", "explicit deny in a resource-based policy")
	case key == "" && r.Method == http.MethodGet && query.Has("versions"):
		if !f.busy(w) {
			f.count(func(s *Seen) { s.Lists++ })
			f.serve(w, r)
		}
	case key == "" && r.Method == http.MethodPost && query.Has("delete"):
		if !f.busy(w) {
			f.delete(w, r)
		}
	default:
		f.Server.ServeHTTP(w, r)
	}
}

func (f *Front) count(how func(*Seen)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(&f.seen)
}

// busy refuses a call if it is one of those.
func (f *Front) busy(w http.ResponseWriter) bool {
	f.mu.Lock()
	n := f.seen.Lists + f.seen.Deletes + f.seen.Busy
	refused := n*7%10 < f.BusyOfTen // spread over ten
	if refused {
		f.seen.Busy++
	}
	f.mu.Unlock()
	if refused {
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	}
	return refused
}

func (f *Front) delete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		refuse(w, http.StatusBadRequest, "IncompleteBody", err.Error())
		return
	}
	keys := bytes.Count(body, []byte("<Key>"))
	f.count(func(s *Seen) {
		s.Deletes++
		s.Keys, s.MostKeys = s.Keys+keys, max(s.MostKeys, keys)
		f.inFlight++
		s.AtATime = max(s.AtATime, f.inFlight)
	})
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.serve(w, r)
	f.count(func(*Seen) { f.inFlight-- })
}

func (f *Front) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	f.Server.ServeHTTP(w, r)
	f.count(func(s *Seen) { s.Serving += time.Since(began) })
}

// denies counts what it denies.
func (f *Front) denies(bucket string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var policy struct {
		Statement []struct{ Effect, Principal, Action string }
	}
	if json.Unmarshal(f.policies[bucket], &policy) != nil { // none, or other statements
		return false
	}
	for _, s := range policy.Statement {
		if s.Effect == "Deny" && s.Principal == "*" && s.Action == "s3:PutObject" {
			f.seen.Denied++
			return true
		}
	}
	return false
}

func (f *Front) policy(w http.ResponseWriter, r *http.Request, bucket string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		text, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody", err.Error())
			return
		}
		if f.policies == nil {
			f.policies = map[string][]byte{}
		}
		f.policies[bucket] = text
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		delete(f.policies, bucket)
		w.WriteHeader(http.StatusNoContent)
	default:
		text, ok := f.policies[bucket]
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist")
			return
		}
		answer(w, text)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	answer(w, fmt.Appendf(nil, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message))
}

// answer writes to a client that may be gone by now, which is its own affair.
func answer(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		return
	}
}
