package config

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of AWS, in characters, and of streamctl: CloudFormation takes 50 tags, and the
// template adds its own.
const (
	maxTags     = 40
	maxTagKey   = 128
	maxTagValue = 256
	tagSet      = "letters, digits, spaces and _.:/=+-@"
)

// ownTags are the keys of the tags that streamctl sets.
var ownTags = []string{"Environment", "Name", "Project"}

// tags checks Tags by the rules of the strictest service: the stack's tags reach every
// resource, and IAM rejects a role if two keys differ only in case, or if a text has
// characters outside its set.
func (v Variables) tags(r *rules) {
	r.limits("Tags", limit{items: maxTags})
	if len(v.Tags) > maxTags {
		r.add("Tags", "%d tags; CloudFormation takes 50 and streamctl adds its own, so want at most %d", len(v.Tags), maxTags)
	}
	spelling := map[string]string{}
	for _, k := range ownTags {
		spelling[strings.ToLower(k)] = k
	}
	for _, k := range sortedKeys(v.Tags) {
		key, value := "Tags."+k, v.Tags[k]
		switch other := spelling[strings.ToLower(k)]; {
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			r.add(key, "names that begin with aws: belong to AWS; want another name")
		case k == "" || utf8.RuneCountInString(k) > maxTagKey:
			r.add(key, "%d characters; want a name of 1 to %d %s", utf8.RuneCountInString(k), maxTagKey, tagSet)
		case outsideTagSet(k) != "":
			r.add(key, "the name contains %q; want only %s", outsideTagSet(k), tagSet)
		case other != "" && other != k:
			r.add(key, "%q: the name differs only in case from %s%s, and IAM rejects a role with both; want another name, or only one of them", value, other, ownerOf(other))
		case value == "" || utf8.RuneCountInString(value) > maxTagValue:
			r.add(key, "%q: want a value of 1 to %d %s; it has %d", value, maxTagValue, tagSet, utf8.RuneCountInString(value))
		case outsideTagSet(value) != "":
			r.add(key, "%q: the value contains %q; want only %s", value, outsideTagSet(value), tagSet)
		}
		spelling[strings.ToLower(k)] = k
	}
}

// ownerOf names streamctl as the owner of a tag, if it sets the tag.
func ownerOf(key string) string {
	if slices.Contains(ownTags, key) {
		return ", which streamctl sets"
	}
	return ""
}

// outsideTagSet returns the first character that is outside IAM's set for tags; empty if
// all are in it.
func outsideTagSet(text string) string {
	for _, c := range text {
		if !unicode.In(c, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("_.:/=+-@", c) {
			return string(c)
		}
	}
	return ""
}
