// Package sigv4 verifies AWS Signature Version 4 with known test keys: signed
// requests, presigned URLs and login tokens made from presigned URLs.
package sigv4

import "sync"

// Credential is a known access key.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken must come with every request of this key; empty for a user's
	// long-lived key.
	SessionToken string
	// Principal identifies the holder in recorded calls: a function's logical
	// id, or "user" for the user's key.
	Principal string
	// ARN is the holder's ARN as STS and API Gateway report it.
	ARN string
}

// Keys is the set of known credentials, safe for concurrent use.
type Keys struct {
	mu   sync.RWMutex
	byID map[string]Credential
}

// NewKeys returns a set with the given credentials.
func NewKeys(known ...Credential) *Keys {
	k := &Keys{byID: map[string]Credential{}}
	for _, c := range known {
		k.Add(c)
	}
	return k
}

// Add adds c and replaces a credential with the same key id.
func (k *Keys) Add(c Credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID[c.AccessKeyID] = c
}

// Remove removes a key id.
func (k *Keys) Remove(accessKeyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, accessKeyID)
}

// Lookup returns the credential of a key id.
func (k *Keys) Lookup(accessKeyID string) (Credential, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.byID[accessKeyID]
	return c, ok
}
