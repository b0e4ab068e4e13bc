package contract

// CorsHeaders are what a signed request from a browser carries.
const CorsHeaders = "Authorization,Content-Type,Content-Encoding,X-Amz-Date,X-Amz-Security-Token,X-Amz-Content-Sha256,If-None-Match"

// Paths of the API.
const (
	PathEvents = "/events"
	PathMetric = "/metrics/{metric}"
)

// BinaryMediaTypes are the media types whose bodies reach a function byte for
// byte, in base64. That is every type: API Gateway turns each byte of a text
// body that isn't UTF-8 into U+FFFD, and different user ids into the same one.
// A body of MaxBodyBytes in base64 fits into Lambda's 6 MB for an event; as
// JSON text, with every quote escaped, it need not.
func BinaryMediaTypes() []string { return []string{"*/*"} }
