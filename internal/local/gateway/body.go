package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
)

// Memory limits for request bodies.
const (
	// maxPlain is the largest body that fits into an event as base64.
	maxPlain = MaxEvent / 4 * 3
	// smallBody is the number of bytes that every request may use without a
	// reservation.
	smallBody = 64 << 10
	// smallBodies is the maximum number of concurrent requests.
	smallBodies = 512
	// largeBytes is the limit for all reservations together.
	largeBytes = 64 << 20
	// perByte is the number of bytes reserved per body byte until the function
	// has the body: the buffer, and 4/3 of it in the event.
	perByte = 3
	// gzipRatio is the largest expansion of gzip.
	gzipRatio = 1032
	// roomTime is how long a request waits for memory.
	roomTime = 2 * time.Second
	// bodyTime is the time a client has to send a body. It applies again to the
	// rest of a rejected body, which is read only so that the client receives
	// the response.
	bodyTime = 30 * time.Second
)

// errNoRoom is returned when there is currently not enough memory for a body.
var errNoRoom = errors.New("no memory for the body")

// memory limits the memory used by requests.
type memory struct {
	places *semaphore.Weighted // of smallBodies
	large  *semaphore.Weighted // of largeBytes
}

func newMemory() *memory {
	return &memory{places: semaphore.NewWeighted(smallBodies), large: semaphore.NewWeighted(largeBytes)}
}

// hold is the memory of one request.
type hold struct {
	memory *memory
	large  int64
	// patience is how much longer the request may wait for memory.
	waitLeft time.Duration
}

// begin reserves a place for a request and returns nil if none is free. The
// caller must call end.
func (m *memory) begin() *hold {
	if !m.places.TryAcquire(1) {
		return nil
	}
	return &hold{memory: m, waitLeft: roomTime}
}

func (h *hold) end() {
	h.memory.large.Release(h.large)
	h.memory.places.Release(1)
}

// grow reserves n more bytes.
func (h *hold) grow(ctx context.Context, n int64) error {
	if n <= 0 {
		return nil
	}
	if !h.memory.large.TryAcquire(n) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, h.waitLeft)
		defer cancel()
		if n > largeBytes || h.memory.large.Acquire(ctx, n) != nil {
			return errNoRoom
		}
		h.waitLeft -= time.Since(began)
	}
	h.large += n
	return nil
}

// read reads up to limit bytes. Beyond smallBody it reserves memory: all at
// once if the length is declared, so that requests complete in the order they
// came, otherwise (length -1) as data arrives. A longer body is an
// *http.MaxBytesError.
func (h *hold) read(ctx context.Context, r io.Reader, length int64, limit int) ([]byte, error) {
	buf := make([]byte, 0, 4<<10)
	free := smallBody
	for {
		if len(buf) == cap(buf) {
			size := min(2*cap(buf), limit+1)
			if size > free && length >= int64(size) {
				size = min(int(length), limit) + 1 // one more, to see the end
			}
			if err := h.grow(ctx, int64(size-max(cap(buf), free))*perByte); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return nil, &http.MaxBytesError{Limit: int64(limit)}
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// readBody reads the body, still encoded.
func (c *Call) readBody(w http.ResponseWriter, h *hold) *Refusal {
	if c.ContentLength > maxPlain {
		return &TooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // not supported in process, and not needed
	body, err := h.read(c.Context(), c.Request.Body, c.ContentLength, maxPlain)
	_ = rc.SetReadDeadline(time.Time{})
	if err == nil && bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		// The function may decompress it.
		err = h.grow(c.Context(), int64(min(len(body)*gzipRatio, maxPlain)-smallBody))
	}
	c.Body = body
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return &TooLarge
	case errors.Is(err, errNoRoom):
		return &Overloaded
	}
	return &TooSlow
}

// drain reads and discards the rest of a rejected body: closing a connection
// while the client still sends resets it, and the response would be lost.
func (c *Call) drain(w http.ResponseWriter) {
	if c.Header.Get("Expect") != "" {
		return // the client waits for the response before it sends the body
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	_, _ = io.CopyN(io.Discard, c.Request.Body, 2*MaxBody)
}

// Decompress decodes the request's Content-Encoding as API Gateway does, or
// returns the refusal.
func (c *Call) Decompress() *Refusal {
	h := newMemory().begin()
	defer h.end()
	return c.decompress(h)
}

// decompress decodes the encodings that API Gateway knows. It leaves the header
// unchanged, so a function can't rely on it.
func (c *Call) decompress(h *hold) *Refusal {
	if len(c.Body) == 0 {
		return nil
	}
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(strings.Join(c.Header.Values("Content-Encoding"), ","))) {
	case "", "identity":
		return nil
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(c.Body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(c.Body))
	default:
		return &Unsupported
	}
	if err != nil {
		return &Unsupported
	}
	plain, err := h.read(c.Context(), r, -1, maxPlain)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		c.Body = plain
		return nil
	case errors.As(err, &tooLarge):
		return &TooLarge
	case errors.Is(err, errNoRoom):
		return &Overloaded
	}
	return &Unsupported // damaged or truncated
}
