package dashboard

import (
	"net/url"
	"strings"

	"github.com/streamctl/streamctl"
)

// Snippet is code that sends events with a library.
type Snippet struct {
	// Name is the library's, such as "Web: Segment".
	Name string `json:"name"`
	Code string `json:"code"`
}

// Snippets returns the snippets of docs/clients.md for an API and a write key.
func Snippets(endpoint, key string) []Snippet {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	const host, stage = "abc123.execute-api.us-east-1.amazonaws.com", "/prod"
	path := strings.TrimSuffix(target.Path, "/")
	replace := strings.NewReplacer(
		"https://"+host+stage, target.Scheme+"://"+target.Host+path, host+stage, target.Host+path, "https://"+host, target.Scheme+"://"+target.Host,
		"'"+stage+"/v1/batch'", "'"+path+"/v1/batch'", "protocol: 'https'", "protocol: '"+target.Scheme+"'", "WRITE_KEY", key,
	)
	var all []Snippet
	for section := range strings.SplitSeq(streamctl.Clients, "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		_, text, ok := strings.Cut(text, "\n```")
		language, code, more := strings.Cut(text, "\n")
		if _, _, named := strings.Cut(language, " "); !ok || !more || !named { // a block without a name is no snippet
			continue
		}
		code, _, _ = strings.Cut(code, "\n```")
		all = append(all, Snippet{Name: name, Code: replace.Replace(code)})
	}
	return all
}
