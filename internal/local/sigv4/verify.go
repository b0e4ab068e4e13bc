package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kind classifies an invalid signature.
type Kind int

// Kinds of invalid signatures.
const (
	Missing    Kind = iota + 1 // no signature
	Malformed                  // a signature that cannot be parsed
	UnknownKey                 // an unknown key id or session token
	Mismatch                   // not what this secret would have signed
	WrongScope                 // signed for another service or region
	Expired                    // too old, or from the future
)

// Error is an invalid signature; it has the message that AWS returns.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

// Scope is the service and region that a signature must be made for. An empty
// field accepts any.
type Scope struct {
	Service string
	Region  string
}

const (
	timeFormat   = "20060102T150405Z"
	algorithm    = "AWS4-HMAC-SHA256"
	maxClockSkew = 5 * time.Minute
	// EmptyPayload is the SHA-256 of an empty body, in hex.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// UnsignedPayload replaces the hash of a body that the signature does not
	// cover.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
)

// signature is a signature as parsed from a header or a query.
type signature struct {
	keyID, date, region, service string
	at                           time.Time
	signedHeaders                []string
	value, token                 string
}

// CredentialScope returns the service and region that a request claims to be
// signed for. It verifies nothing.
func CredentialScope(r *http.Request) (Scope, bool) {
	s, err := parse(r)
	if err != nil {
		return Scope{}, false
	}
	return Scope{Service: s.service, Region: s.region}, true
}

// Claim checks a request's headers: that they have a current signature, for
// want, by a known key. It does not verify the signature; Request does, with
// the body.
func (k *Keys) Claim(r *http.Request, want Scope, now time.Time) error {
	s, err := parse(r)
	if err != nil {
		return err
	}
	if r.Header.Get("Authorization") != "" {
		if err := s.current(now); err != nil {
			return err
		}
	}
	_, err = k.holder(s, want)
	return err
}

// Request verifies a request signed by header or query. body is the body as
// sent; a payload hash header, if present, must match the body unless its value
// is for an unsigned or streamed body.
func (k *Keys) Request(r *http.Request, body []byte, want Scope, now time.Time) (Credential, error) {
	s, err := parse(r)
	if err != nil {
		return Credential{}, err
	}
	presigned := r.Header.Get("Authorization") == ""
	payload := r.Header.Get("X-Amz-Content-Sha256")
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	switch {
	case presigned && s.service == "s3":
		payload = UnsignedPayload
	case payload == "":
		payload = hash
	case payload != UnsignedPayload && !strings.HasPrefix(payload, "STREAMING-") && payload != hash:
		return Credential{}, &Error{Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	if presigned {
		return k.presigned(s, r.Method, r.URL, r.Header, r.Host, payload, want, now)
	}
	if err := s.current(now); err != nil {
		return Credential{}, err
	}
	return k.check(s, r.Method, r.URL, r.Header, r.Host, r.ContentLength, payload, want)
}

// Token verifies a login token: a presigned GET URL without its scheme. It
// returns the holder of the key and the URL, whose query the caller must check.
// No token is valid for longer than maxAge, whatever expiry it has.
func (k *Keys) Token(token string, want Scope, maxAge time.Duration, now time.Time) (Credential, *url.URL, error) {
	u, err := url.Parse("https://" + token)
	if err != nil || u.RawQuery == "" {
		return Credential{}, nil, &Error{Missing, "not a presigned URL"}
	}
	s, err := parse(&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
	if err != nil {
		return Credential{}, nil, err
	}
	if now.Sub(s.at) > maxAge {
		return Credential{}, nil, &Error{Expired, "token is older than " + maxAge.String()}
	}
	c, err := k.presigned(s, http.MethodGet, u, http.Header{}, u.Host, EmptyPayload, want, now)
	return c, u, err
}

func (k *Keys) presigned(s signature, method string, u *url.URL, h http.Header, host, payload string, want Scope, now time.Time) (Credential, error) {
	seconds, err := strconv.Atoi(u.Query().Get("X-Amz-Expires"))
	if err != nil || seconds < 1 || seconds > 604800 {
		return Credential{}, &Error{Malformed, "X-Amz-Expires must be a number of seconds from 1 to 604800"}
	}
	if now.After(s.at.Add(time.Duration(seconds) * time.Second)) {
		return Credential{}, &Error{Expired, "Request has expired"}
	}
	if s.at.After(now.Add(maxClockSkew)) {
		return Credential{}, &Error{Expired, "Request is not yet valid"}
	}
	return k.check(s, method, u, h, host, -1, payload, want)
}

func (k *Keys) check(s signature, method string, u *url.URL, h http.Header, host string, length int64, payload string, want Scope) (Credential, error) {
	c, err := k.holder(s, want)
	if err != nil {
		return Credential{}, err
	}
	canonical := strings.Join([]string{
		method, canonicalPath(u, s.service), canonicalQuery(u.RawQuery),
		canonicalHeaders(s.signedHeaders, h, host, length), strings.Join(s.signedHeaders, ";"), payload,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
	toSign := strings.Join([]string{algorithm, s.at.Format(timeFormat), scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(mac(key, toSign))), []byte(s.value)) {
		return Credential{}, &Error{Mismatch, "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	}
	return c, nil
}

// holder returns the credential of the key that a signature claims, and checks
// the claimed scope against want.
func (k *Keys) holder(s signature, want Scope) (Credential, error) {
	if want.Service != "" && s.service != want.Service {
		return Credential{}, &Error{WrongScope, fmt.Sprintf("Credential should be scoped to correct service: '%s'. ", want.Service)}
	}
	if want.Region != "" && s.region != want.Region {
		return Credential{}, &Error{WrongScope, fmt.Sprintf("Credential should be scoped to a valid region, not '%s'. ", s.region)}
	}
	c, ok := k.Lookup(s.keyID)
	if !ok || c.SessionToken != s.token {
		return Credential{}, &Error{UnknownKey, "The security token included in the request is invalid."}
	}
	return c, nil
}

// current checks that the date of a header signature is within maxClockSkew.
func (s signature) current(now time.Time) error {
	if s.at.Before(now.Add(-maxClockSkew)) {
		return &Error{Expired, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			s.at.Format(timeFormat), now.UTC().Add(-maxClockSkew).Format(timeFormat), now.UTC().Format(timeFormat))}
	}
	if s.at.After(now.Add(maxClockSkew)) {
		return &Error{Expired, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			s.at.Format(timeFormat), now.UTC().Add(maxClockSkew).Format(timeFormat), now.UTC().Format(timeFormat))}
	}
	return nil
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
