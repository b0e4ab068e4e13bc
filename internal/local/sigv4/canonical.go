package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parse reads a signature from the Authorization header, or else from the
// query.
func parse(r *http.Request) (signature, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		return parseHeader(auth, r)
	}
	q := r.URL.Query()
	if q.Get("X-Amz-Signature") == "" {
		return signature{}, &Error{Missing, "Missing Authentication Token"}
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		return signature{}, &Error{Malformed, "unsupported algorithm " + q.Get("X-Amz-Algorithm")}
	}
	s := signature{value: q.Get("X-Amz-Signature"), token: q.Get("X-Amz-Security-Token"), signedHeaders: strings.Split(q.Get("X-Amz-SignedHeaders"), ";")}
	return s, s.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-Date"))
}

func parseHeader(auth string, r *http.Request) (signature, error) {
	rest, ok := strings.CutPrefix(auth, algorithm)
	if !ok {
		return signature{}, &Error{Malformed, fmt.Sprintf("Invalid key=value pair (missing equal-sign) in Authorization header: '%s'.", auth)}
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return signature{}, &Error{Malformed, fmt.Sprintf("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", part, auth)}
		}
		fields[key] = value
	}
	for _, need := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[need] == "" {
			return signature{}, &Error{Malformed, fmt.Sprintf("Authorization header requires '%s' parameter. Authorization=%s", need, auth)}
		}
	}
	s := signature{
		value: fields["Signature"], token: r.Header.Get("X-Amz-Security-Token"),
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"),
	}
	at := r.Header.Get("X-Amz-Date")
	if d, err := http.ParseTime(r.Header.Get("Date")); at == "" && err == nil {
		at = d.UTC().Format(timeFormat)
	}
	if !slices.Contains(s.signedHeaders, "host") {
		return signature{}, &Error{Malformed, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	return s, s.fill(fields["Credential"], at)
}

// fill reads key id, date, region and service from a credential.
func (s *signature) fill(credential, at string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return &Error{Malformed, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + credential + "'"}
	}
	s.keyID, s.date, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
	t, err := time.Parse(timeFormat, at)
	if err != nil {
		return &Error{Malformed, "Date must be in ISO-8601 'basic format'. Got '" + at + "'"}
	}
	if t.Format("20060102") != s.date {
		return &Error{Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"}
	}
	s.at = t
	return nil
}

// canonicalPath encodes the path that was sent a second time, except for S3.
func canonicalPath(u *url.URL, service string) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if service == "s3" {
		return path
	}
	return escape(path, true)
}

func canonicalQuery(raw string) string {
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		if part == "" || key == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, escape(unescape(key), false)+"="+escape(unescape(value), false))
	}
	slices.SortFunc(pairs, func(a, b string) int {
		ak, av, _ := strings.Cut(a, "=")
		bk, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(ak, bk); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&")
}

func canonicalHeaders(names []string, h http.Header, host string, length int64) string {
	var b strings.Builder
	for _, name := range names {
		var value string
		switch {
		case name == "host":
			value = host
		case name == "content-length" && h.Get("Content-Length") == "":
			value = strconv.FormatInt(max(length, 0), 10)
		default:
			values := slices.Clone(h.Values(name))
			for i, v := range values {
				values[i] = strings.Join(strings.Fields(v), " ")
			}
			value = strings.Join(values, ",")
		}
		b.WriteString(name + ":" + value + "\n")
	}
	return b.String()
}

func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return s
}

// escape encodes all characters except RFC 3986's unreserved ones, in
// upper-case hex.
func escape(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 || keepSlash && c == '/' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
