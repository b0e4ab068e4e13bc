package contract

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Names of the variables for clients with a write key.
const (
	envWriteKeys = "WRITE_KEYS"
	envPrivacy   = "PRIVACY"
)

// WriteKey is a key with which apps and websites send events without AWS credentials.
// Everyone can read it in an app or a page.
type WriteKey struct {
	// Name identifies the key in logs, 1 to 40 characters.
	Name string `yaml:"Name" json:"n"`
	// Hash is the SHA-256 of the key in base64url without padding.
	Hash string `yaml:"Hash" json:"h"`
	// Origins are the web origins whose pages may send with the key; "*" is every
	// origin. Without origins only programs may, which send no origin.
	Origins []string `yaml:"Origins" json:"o,omitempty"`
	// Rate is the number of requests per second that one execution environment of
	// ingest accepts with the key; 0 sets no limit.
	Rate int `yaml:"Rate" json:"r,omitempty"`
}

// Privacy changes events before they are stored.
type Privacy struct {
	// IpAddresses is drop, truncate or keep; empty means drop.
	IpAddresses string `yaml:"IpAddresses" json:"ip,omitempty"`
	// DropProperties are paths of properties to remove, such as
	// properties.traits.email.
	DropProperties []string `yaml:"DropProperties" json:"drop,omitempty"`
	// HonorDoNotTrack discards events of browsers that send DNT: 1 or Sec-GPC: 1.
	HonorDoNotTrack bool `yaml:"HonorDoNotTrack" json:"dnt,omitempty"`
	// HashUserIds replaces user ids and anonymous ids by a hash with the secret in
	// UserIDParameter.
	HashUserIds bool `yaml:"HashUserIds" json:"uid,omitempty"`
}

// UserIDParameter returns the name of the SSM parameter with a stack's secret for hashing
// user ids.
func UserIDParameter(stack string) string { return "/streamctl/" + stack + "/user-ids" }

// MinSecretBytes is the least length of that secret.
const MinSecretBytes = 26

// NewUserIDSecret returns a new secret of at least 128 random bits.
func NewUserIDSecret() string { return rand.Text() + rand.Text() }

// NewWriteKey returns a new key of at least 128 random bits, and its hash.
func NewWriteKey() (key, hash string) {
	key = strings.ToLower(rand.Text())
	return key, HashWriteKey(key)
}

// HashWriteKey returns WriteKey.Hash of a key.
func HashWriteKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AllowsOrigin reports whether a list of origins contains an origin, "*", or its host
// with any port, such as http://localhost:*.
func AllowsOrigin(origins []string, origin string) bool {
	return slices.ContainsFunc(origins, func(o string) bool {
		if host, ok := strings.CutSuffix(o, ":*"); ok {
			port, found := strings.CutPrefix(origin, host)
			return found && (port == "" || port[0] == ':' && strings.Trim(port[1:], "0123456789") == "")
		}
		return o == "*" || o == origin
	})
}

// IsZero reports whether nothing is configured.
func (p Privacy) IsZero() bool {
	return p.IpAddresses == "" && len(p.DropProperties) == 0 && !p.HonorDoNotTrack && !p.HashUserIds
}

// clientVars returns the variables that are set.
func (e Ingest) clientVars() map[string]string {
	vars := map[string]string{}
	if len(e.WriteKeys) > 0 {
		vars[envWriteKeys] = asJSON(e.WriteKeys)
	}
	if !e.Privacy.IsZero() {
		vars[envPrivacy] = asJSON(e.Privacy)
	}
	return vars
}

// asJSON encodes values that consist of text and numbers, which can't fail.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

func (l *loader) json(name string, into any) {
	text := l.getenv(name)
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %w", name, err))
	}
}

// UnionOrigins returns all origins, each once; only "*" if that is one of them.
func UnionOrigins(origins []string, keys []WriteKey) []string {
	seen, all := map[string]bool{}, []string{}
	add := func(list []string) {
		for _, o := range list {
			if !seen[o] {
				seen[o] = true
				all = append(all, o)
			}
		}
	}
	add(origins)
	for _, k := range keys {
		add(k.Origins)
	}
	if seen["*"] {
		return []string{"*"}
	}
	return all
}
