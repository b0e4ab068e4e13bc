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

// How much memory the bodies of all requests take at a time.
const (
	// maxPlain is the largest body that fits into an event, in base64.
	maxPlain = MaxEvent / 4 * 3
	// smallBody bytes may be held by every request without a reservation.
	smallBody = 64 << 10
	// smallBodies is how many requests may be under way.
	smallBodies = 512
	// largeBytes is the limit of all reservations together.
	largeBytes = 64 << 20
	// perByte bytes are reserved per byte of a body until the function has it: the
	// buffer, and 4/3 of it in the event.
	perByte = 3
	// gzipRatio is the most that a byte of gzip can expand to.
	gzipRatio = 1032
	// roomTime is how long a request waits for memory.
	roomTime = 2 * time.Second
	// bodyTime is how long a client may take for a body, and again for the rest of
	// one that is refused and only read so that the client sees the answer.
	bodyTime = 30 * time.Second
)

// errNoRoom is for a body that the memory doesn't suffice for now.
var errNoRoom = errors.New("no memory for the body")

// memory bounds what requests hold.
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
	// patience is how long the request may still wait for memory.
	patience time.Duration
}

// begin takes a place for a request; nil when none is free. The caller ends it.
func (m *memory) begin() *hold {
	if !m.places.TryAcquire(1) {
		return nil
	}
	return &hold{memory: m, patience: roomTime}
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
		ctx, cancel := context.WithTimeout(ctx, h.patience)
		defer cancel()
		if n > largeBytes || h.memory.large.Acquire(ctx, n) != nil {
			return errNoRoom
		}
		h.patience -= time.Since(began)
	}
	h.large += n
	return nil
}

// read reads up to limit bytes. It reserves more than smallBody: all of
// it if the length is declared (else length is -1), which lets those finish that
// came first, or as it comes. A longer text is an *http.MaxBytesError.
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

// readBody reads the body as it was sent.
func (c *Call) readBody(w http.ResponseWriter, h *hold) *Refusal {
	if c.ContentLength > maxPlain {
		return &TooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // in process it is not supported, and not needed
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

// drain reads the rest of a refused body and drops it: a connection that is
// closed on a client that still sends is reset, and the answer is lost.
func (c *Call) drain(w http.ResponseWriter) {
	if c.Header.Get("Expect") != "" {
		return // the client waits for the answer
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	_, _ = io.CopyN(io.Discard, c.Request.Body, 2*MaxBody)
}

// Decompress undoes the request's Content-Encoding as API Gateway does, or
// gives its refusal.
func (c *Call) Decompress() *Refusal {
	h := newMemory().begin()
	defer h.end()
	return c.decompress(h)
}

// decompress undoes the codings that API Gateway knows. It leaves the header
// as it is; a function can't rely on it.
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
	return &Unsupported // damaged, or cut off
}
