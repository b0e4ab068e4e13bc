package s3fake

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// SetPolicy sets a bucket's policy, as CloudFormation does; nil takes it away,
// also from a bucket that is gone.
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

// denied says that the bucket's policy denies everybody an action, without any
// condition. Nothing else in a policy is applied.
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

// anyMatches says that one of the patterns, or the only one, covers a name; a
// star stands for slashes too.
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
