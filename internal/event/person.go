package event

import (
	"strings"
	"unicode/utf8"
)

// AnonymousPrefix begins the user id of an event without a known user. The anonymous id
// follows.
const AnonymousPrefix = "anon:"

// maxLinks is the largest number of links of an event: an alias has two.
const maxLinks = 2

// placeholders are texts in lower case that clients send instead of an id they don't
// have. Each would make one person of many.
var placeholders = map[string]bool{
	"": true, "0": true, "-1": true, "00000000-0000-0000-0000-000000000000": true, "[]": true, "{}": true, "[object object]": true,
	"null": true, "(null)": true, "nil": true, "none": true, "undefined": true, "nan": true, "void": true, "empty": true,
	"true": true, "false": true, "unknown": true, "unset": true, "(not set)": true, "n/a": true, "na": true,
	"anon": true, "anonymous": true, "guest": true, "user": true, "visitor": true,
	"id": true, "userid": true, "user_id": true, "anonymousid": true, "anonymous_id": true,
}

// IsPerson reports whether a user id may identify one person: it is neither anonymous
// nor a placeholder such as undefined or guest.
func IsPerson(userID string) bool {
	return !strings.HasPrefix(userID, AnonymousPrefix) && !placeholders[strings.ToLower(strings.TrimSpace(userID))]
}

// Link returns the user id of the events that have only this anonymous id. It is empty
// if they can't belong to one person, or can't exist.
func Link(anonymousID string) string {
	id := AnonymousPrefix + anonymousID
	if !IsPerson(anonymousID) || !isLink(id) {
		return ""
	}
	return id
}

// isLink reports whether an event may have an anonymous user id.
func isLink(id string) bool {
	return strings.HasPrefix(id, AnonymousPrefix) && len(id) > len(AnonymousPrefix) && utf8.ValidString(id) &&
		utf8.RuneCountInString(id) <= MaxUserIDRunes && !strings.ContainsAny(id, "\x00\uFFFD")
}

// links returns the valid ones of an envelope's links.
func links(all []string) (valid []string) {
	for _, id := range all {
		if isLink(id) && len(valid) < maxLinks {
			valid = append(valid, id)
		}
	}
	return valid
}
