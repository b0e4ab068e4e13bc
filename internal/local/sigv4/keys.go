// Package sigv4 verifies AWS Signature Version 4 with known test keys: signed
// requests, presigned URLs and the login tokens made from them.
package sigv4

import "sync"

// Credential is one access key that is known.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken must come with every request of this key; empty for a
	// person's long-lived key.
	SessionToken string
	// Principal names the holder in recorded calls: a function's logical id,
	// or "user" for the person's key.
	Principal string
	// ARN is the holder as STS and API Gateway tell it.
	ARN string
}

// Keys is the set of known credentials, safe for concurrent use.
type Keys struct {
	mu   sync.RWMutex
	byID map[string]Credential
}

// NewKeys holds the given credentials.
func NewKeys(known ...Credential) *Keys {
	k := &Keys{byID: map[string]Credential{}}
	for _, c := range known {
		k.Add(c)
	}
	return k
}

// Add makes c known; it replaces a credential with the same key id.
func (k *Keys) Add(c Credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID[c.AccessKeyID] = c
}

// Remove forgets a key id.
func (k *Keys) Remove(accessKeyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, accessKeyID)
}

// Lookup finds a credential by its key id.
func (k *Keys) Lookup(accessKeyID string) (Credential, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.byID[accessKeyID]
	return c, ok
}
