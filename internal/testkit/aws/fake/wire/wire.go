// Package wire reads and writes the protocols of AWS services: errors and XML
// of the Query protocol, errors and bodies of the JSON and REST protocols.
package wire

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Error is an error response of a service.
type Error struct {
	// Status is the HTTP status, 400 if zero.
	Status int
	// Code is the value of the client's APIError.ErrorCode.
	Code string
	// Message is the error message.
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf returns an Error with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError converts any error to an Error; an error of the fake itself becomes
// an InternalFailure.
func AsError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
	}
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
	}
	return e
}

// NewID returns n random bytes in hex.
func NewID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand would crash the program instead
	return hex.EncodeToString(b)
}

// NewUUID returns a random UUID.
func NewUUID() string {
	h := NewID(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// Node is an XML element with text or children.
type Node struct {
	Name     string
	Text     string
	Children []Node
	// Raw writes characters that XML can't carry as references, as S3 does: the response
	// is not well-formed then.
	Raw bool
}

// Text returns an element that contains text.
func Text(name, text string) Node { return Node{Name: name, Text: text} }

// Bool returns an element that contains true or false.
func Bool(name string, v bool) Node { return Text(name, strconv.FormatBool(v)) }

// Optional is Text, or nothing if text is empty.
func Optional(name, text string) Node {
	if text == "" {
		return Node{}
	}
	return Text(name, text)
}

// Group returns an element that contains elements.
func Group(name string, children ...Node) Node { return Node{Name: name, Children: children} }

// List is Group over items that are each wrapped in an element member.
func List[T any](name, member string, items []T, each func(T) []Node) Node {
	n := Node{Name: name}
	for _, item := range items {
		n.Children = append(n.Children, Group(member, each(item)...))
	}
	return n
}

// Write appends the node as XML; a node without a name is only its text.
func (n Node) Write(b *strings.Builder) {
	if n.Name == "" {
		_ = xml.EscapeText(b, []byte(n.Text)) // a strings.Builder never fails
		return
	}
	tag, _, _ := strings.Cut(n.Name, " ")
	b.WriteString("<" + n.Name + ">")
	if n.Raw {
		writeRaw(b, n.Text)
	} else {
		_ = xml.EscapeText(b, []byte(n.Text)) // a strings.Builder never fails
	}
	for _, c := range n.Children {
		c.Write(b)
	}
	b.WriteString("</" + tag + ">")
}

func writeRaw(b *strings.Builder, text string) {
	for _, r := range text {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			fmt.Fprintf(b, "&#x%x;", r)
			continue
		}
		_ = xml.EscapeText(b, []byte(string(r))) // a strings.Builder never fails
	}
}

// WriteXML responds with one element; write errors mean that the client has
// disconnected.
func WriteXML(w http.ResponseWriter, status int, root Node) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	root.Write(&b)
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}

// WriteQuery responds to a call of the Query protocol.
func WriteQuery(w http.ResponseWriter, namespace, action string, result ...Node) {
	WriteXML(w, http.StatusOK, Group(action+`Response xmlns="`+namespace+`"`,
		Group(action+"Result", result...),
		Group("ResponseMetadata", Text("RequestId", NewUUID()))))
}

// WriteQueryError responds to a call of the Query protocol with an error.
func WriteQueryError(w http.ResponseWriter, err error) {
	e := AsError(err)
	WriteXML(w, e.Status, Group("ErrorResponse",
		Group("Error", Text("Type", "Sender"), Text("Code", e.Code), Text("Message", e.Message)),
		Text("RequestId", NewUUID())))
}

// WriteJSON responds with v as JSON of the given media type.
func WriteJSON(w http.ResponseWriter, status int, mediaType string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"message":"answer cannot be marshalled"}`)
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("X-Amzn-Requestid", NewUUID())
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// WriteJSONError responds to a call of the JSON or REST protocols with an
// error.
func WriteJSONError(w http.ResponseWriter, err error) {
	e := AsError(err)
	w.Header().Set("X-Amzn-Errortype", e.Code)
	WriteJSON(w, e.Status, "application/x-amz-json-1.1", map[string]string{"__type": e.Code, "message": e.Message, "Message": e.Message})
}
