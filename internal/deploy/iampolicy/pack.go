package iampolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

const (
	// maxCharacters is IAM's limit of a managed policy, without white space.
	maxCharacters = 6144
	// maxDocuments is IAM's limit of managed policies per role or user, without an
	// increase of the quota.
	maxDocuments = 10
)

type policyDocument struct {
	Version   string            `json:"Version"`
	Statement []policyStatement `json:"Statement"`
}

// pack distributes the statements over documents, in their order. A statement that is
// too long for a document is split by its actions.
func pack(statements []policyStatement) ([][]byte, error) {
	var documents []policyDocument
	for _, whole := range statements {
		parts, err := split(whole)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			last := len(documents) - 1
			if last >= 0 {
				grown := policyDocument{documents[last].Version, append(documents[last].Statement[:len(documents[last].Statement):len(documents[last].Statement)], part)}
				n, err := characters(grown)
				if err != nil {
					return nil, err
				}
				if n <= maxCharacters {
					documents[last] = grown
					continue
				}
			}
			documents = append(documents, policyDocument{"2012-10-17", []policyStatement{part}})
		}
	}
	if len(documents) > maxDocuments {
		return nil, fmt.Errorf("write policy: %d documents are necessary, and IAM attaches at most %d; choose a shorter StackName", len(documents), maxDocuments)
	}
	out := make([][]byte, 0, len(documents))
	for _, d := range documents {
		text, err := marshal(d)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// split halves a statement's actions until each part fits a document.
func split(s policyStatement) ([]policyStatement, error) {
	parts := []policyStatement{s}
	for n := 2; ; n++ {
		fits := true
		for _, p := range parts {
			length, err := characters(policyDocument{"2012-10-17", []policyStatement{p}})
			if err != nil {
				return nil, err
			}
			fits = fits && length <= maxCharacters
		}
		switch {
		case fits:
			return parts, nil
		case n > len(s.Action):
			return nil, fmt.Errorf("write policy: the resources of statement %s alone exceed %d characters; choose a shorter StackName", s.Sid, maxCharacters)
		}
		parts = nil
		for i := range n {
			part := s
			part.Sid = s.Sid + strconv.Itoa(i+1)
			part.Action = s.Action[len(s.Action)*i/n : len(s.Action)*(i+1)/n]
			parts = append(parts, part)
		}
	}
}

// characters counts a document as IAM does, without white space.
func characters(d policyDocument) (int, error) {
	text, err := marshal(d)
	if err != nil {
		return 0, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return 0, fmt.Errorf("write policy: %w", err)
	}
	return compact.Len(), nil
}

// marshal writes a document with readable placeholders: <account>, not \u003caccount\u003e.
func marshal(d policyDocument) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
