package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// WriteAnswer writes a function's response to a proxy event. It returns false,
// and writes nothing, if the response is malformed.
func WriteAnswer(w http.ResponseWriter, payload []byte) bool {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil || len(fields) == 0 {
		return false
	}
	for name := range fields {
		if !slices.Contains([]string{"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}, name) {
			return false
		}
	}
	var out struct {
		StatusCode        json.RawMessage
		Headers           map[string]any
		MultiValueHeaders map[string][]any
		Body              *string
		IsBase64Encoded   bool
	}
	if err := json.Unmarshal(payload, &out); err != nil {
		return false
	}
	status := http.StatusOK
	if text := strings.Trim(string(out.StatusCode), `"`); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 || n > 599 {
			return false
		}
		status = n
	}
	body := []byte{}
	if out.Body != nil {
		body = []byte(*out.Body)
	}
	if out.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return false
		}
		body = decoded
	}
	for name, v := range out.Headers {
		setHeader(w.Header(), name, fmt.Sprint(v), false)
	}
	for name, values := range out.MultiValueHeaders {
		for i, v := range values {
			setHeader(w.Header(), name, fmt.Sprint(v), i > 0)
		}
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return true
}

// setHeader renames the headers that API Gateway reserves.
func setHeader(h http.Header, name, value string, more bool) {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Date", "Host", "Content-Length", "Authorization", "Www-Authenticate", "Server":
		name = "X-Amzn-Remapped-" + name
	}
	if more {
		h.Add(name, value)
		return
	}
	h.Set(name, value)
}
