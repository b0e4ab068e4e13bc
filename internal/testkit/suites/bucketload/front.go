// Package bucketload tests the emptying of a bucket of a live stream on
// independent S3 servers: many versions, and writers that continue.
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

// Front is a proxy for an S3 server. It applies bucket policies that deny
// everyone to put objects, for servers that ignore policies; it can throttle;
// and it counts calls.
type Front struct {
	// Server handles the calls that pass.
	Server http.Handler
	// BusyOfTen is how many of ten listings and deletions get the response
	// SlowDown, 0 to 9.
	BusyOfTen int

	mu       sync.Mutex
	policies map[string][]byte
	seen     Seen
	inFlight int
}

// Seen holds a Front's counters.
type Seen struct {
	// Lists and Deletes count the listings of versions and DeleteObjects calls
	// that passed, Busy those that were throttled.
	Lists, Deletes, Busy int
	// Keys is the number of keys in all deletions, MostKeys in the largest.
	Keys, MostKeys int
	// AtATime is the maximum number of concurrent deletions.
	AtATime int
	// Serving is the server's total time for both.
	Serving time.Duration
	// Denied counts objects that the policy rejected.
	Denied int
}

// Seen returns the current counters.
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

// busy throttles a call if it is its turn.
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

// denies reports, and counts, whether the policy denies a put.
func (f *Front) denies(bucket string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var policy struct {
		Statement []struct{ Effect, Principal, Action string }
	}
	if json.Unmarshal(f.policies[bucket], &policy) != nil { // no policy, or other statements
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

// answer writes to a client; it ignores that the client may have disconnected.
func answer(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		return
	}
}
