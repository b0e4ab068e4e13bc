package contract

import (
	"encoding/json"
	"fmt"
)

// EncodeEventTypes encodes event types for MigrationProperties.EventTypes; "" for none.
func EncodeEventTypes(types []string) (string, error) {
	if len(types) == 0 {
		return "", nil
	}
	text, err := json.Marshal(types)
	if err != nil {
		return "", fmt.Errorf("encode event types: %w", err)
	}
	return string(text), nil
}

// DecodeEventTypes decodes the result of EncodeEventTypes.
func DecodeEventTypes(text string) (types []string, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &types); err != nil {
		return nil, fmt.Errorf("decode event types: %w", err)
	}
	return types, nil
}
