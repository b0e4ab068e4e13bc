package funcenv

// CorsHeaders are what a signed request from a browser carries.
const CorsHeaders = "Authorization,Content-Type,Content-Encoding,X-Amz-Date,X-Amz-Security-Token,X-Amz-Content-Sha256,If-None-Match"

// Paths of the API.
const (
	PathEvents = "/events"
	PathMetric = "/metrics/{metric}"
)

// BinaryMediaTypes are those whose bodies reach a function as they were sent.
func BinaryMediaTypes() []string { return []string{"application/gzip", "application/x-gzip"} }
