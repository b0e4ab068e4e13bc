package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
)

// hasher replaces user ids by a keyed hash.
type hasher struct {
	mu     sync.RWMutex
	secret []byte
}

// load reads the secret, once. After an error, the next request tries again.
func (h *hasher) load(ctx context.Context, read func(context.Context) (string, error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.secret != nil {
		return nil
	}
	secret, err := read(ctx)
	if err != nil {
		return err
	}
	if len(secret) < contract.MinSecretBytes {
		return fmt.Errorf("the secret has %d bytes: want at least %d", len(secret), contract.MinSecretBytes)
	}
	h.secret = []byte(secret)
	return nil
}

// hash returns the HMAC-SHA256 of an id in base64url, 43 characters.
func (h *hasher) hash(id string) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	mac := hmac.New(sha256.New, h.secret)
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// readSecret reads the secret for hashing user ids, if they are hashed. Without it, no
// event can be accepted.
func (h *Handler) readSecret(ctx context.Context) *api.Problem {
	if !h.env.Privacy.HashUserIds {
		return nil
	}
	if err := h.hasher.load(ctx, h.Secret); err != nil {
		h.Log.ErrorContext(ctx, "the secret for hashing user ids can't be read; `streamctl keys secret` creates it", "err", err)
		p := refuse(http.StatusServiceUnavailable, "user ids can't be hashed now: send the same request again")
		p.RetryAfterSeconds = retryAfterSeconds
		return p
	}
	return nil
}
