package s3fake

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// SetPolicy sets a bucket's policy, like CloudFormation; nil removes it, even
// if the bucket no longer exists.
func (s *Store) SetPolicy(bucketName string, document any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if document == nil {
		if err == nil {
			delete(b.settings, "policy")
		}
		return nil
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("set policy of %s: %w", bucketName, err)
	}
	b.settings["policy"] = text
	return nil
}

// denied reports whether the bucket's policy denies everyone an action, without
// a condition. All other statements are ignored.
func (b *bucket) denied(action, resource string) bool {
	var policy struct {
		Statement []struct {
			Effect    string
			Principal any
			Action    any
			Resource  any
			Condition map[string]any
		}
	}
	if json.Unmarshal(b.settings["policy"], &policy) != nil {
		return false
	}
	for _, s := range policy.Statement {
		if s.Effect == "Deny" && s.Principal == "*" && len(s.Condition) == 0 && anyMatches(s.Action, action) && anyMatches(s.Resource, resource) {
			return true
		}
	}
	return false
}

// anyMatches reports whether a pattern, or one of a list of patterns, matches a
// name; a star also matches slashes.
func anyMatches(patterns any, name string) bool {
	list, several := patterns.([]any)
	if !several {
		list = []any{patterns}
	}
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	for _, p := range list {
		if ok, err := path.Match(flat(fmt.Sprint(p)), flat(name)); ok && err == nil {
			return true
		}
	}
	return false
}
