package contract

import (
	"encoding/json"
	"fmt"
)

// EncodeList encodes texts for MigrationProperties; "" for none.
func EncodeList(texts []string) (string, error) {
	if len(texts) == 0 {
		return "", nil
	}
	text, err := json.Marshal(texts)
	if err != nil {
		return "", fmt.Errorf("encode list: %w", err)
	}
	return string(text), nil
}

// DecodeList decodes the result of EncodeList.
func DecodeList(text string) (texts []string, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &texts); err != nil {
		return nil, fmt.Errorf("decode list: %w", err)
	}
	return texts, nil
}
