package s3fake

import (
	"net/http"
	"net/url"
	"strings"
)

// Operation identifies an S3 call.
type Operation struct {
	// Name is the API's name, such as HeadObject; Action is IAM's, such as
	// GetObject.
	Name, Action string
	Bucket, Key  string
}

// Resource returns the ARN by which IAM authorizes the operation.
func (o Operation) Resource() string {
	switch {
	case o.Bucket == "":
		return "*"
	case o.Key == "":
		return "arn:aws:s3:::" + o.Bucket
	}
	return "arn:aws:s3:::" + o.Bucket + "/" + o.Key
}

// setting is a bucket's subresource: its query name, the API's noun, and the
// error code if it is not set.
type setting struct {
	query, noun, iam, missing string
	missingText               string
}

func settings() []setting {
	return []setting{
		{"encryption", "BucketEncryption", "EncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"},
		{"publicAccessBlock", "PublicAccessBlock", "BucketPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
		{"ownershipControls", "BucketOwnershipControls", "BucketOwnershipControls", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
		{"lifecycle", "BucketLifecycleConfiguration", "LifecycleConfiguration", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
		{"tagging", "BucketTagging", "BucketTagging", "NoSuchTagSet", "The TagSet does not exist"},
		{"policy", "BucketPolicy", "BucketPolicy", "NoSuchBucketPolicy", "The bucket policy does not exist"},
		{"cors", "BucketCors", "BucketCORS", "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
		{"replication", "BucketReplication", "ReplicationConfiguration", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
		{"object-lock", "ObjectLockConfiguration", "BucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
		{"logging", "BucketLogging", "BucketLogging", "", ""},
		{"notification", "BucketNotificationConfiguration", "BucketNotification", "", ""},
	}
}

// Identify determines the operation of a path-style request.
func Identify(r *http.Request) Operation {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	bucketName, rawKey, _ := strings.Cut(path, "/")
	key, err := url.PathUnescape(rawKey)
	if err != nil {
		key = rawKey
	}
	o := Operation{Bucket: bucketName, Key: key}
	q := r.URL.Query()
	o.Name, o.Action = name(r.Method, o, q, r.Header.Get("X-Amz-Copy-Source") != "")
	return o
}

func name(method string, o Operation, q url.Values, copies bool) (api, iam string) {
	verb := map[string]string{http.MethodGet: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete"}[method]
	if o.Bucket == "" {
		return "ListBuckets", "ListAllMyBuckets"
	}
	if o.Key == "" {
		return bucketName(method, verb, q)
	}
	version := ""
	if q.Has("versionId") {
		version = "Version"
	}
	switch {
	case method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload", "PutObject"
	case method == http.MethodPost && q.Has("uploadId"):
		return "CompleteMultipartUpload", "PutObject"
	case method == http.MethodPut && q.Has("uploadId"):
		return "UploadPart", "PutObject"
	case method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload", "AbortMultipartUpload"
	case method == http.MethodGet && q.Has("uploadId"):
		return "ListParts", "ListMultipartUploadParts"
	case q.Has("tagging"):
		return verb + "ObjectTagging", verb + "Object" + version + "Tagging"
	case method == http.MethodPut && copies:
		return "CopyObject", "PutObject"
	case method == http.MethodHead:
		return "HeadObject", "GetObject" + version
	}
	if verb == "Put" {
		version = ""
	}
	return verb + "Object", verb + "Object" + version
}

func bucketName(method, verb string, q url.Values) (api, iam string) {
	switch {
	case method == http.MethodPost && q.Has("delete"):
		return "DeleteObjects", "DeleteObject"
	case q.Has("versions"):
		return "ListObjectVersions", "ListBucketVersions"
	case q.Has("uploads"):
		return "ListMultipartUploads", "ListBucketMultipartUploads"
	case q.Has("location"):
		return "GetBucketLocation", "GetBucketLocation"
	case q.Has("versioning"):
		return verb + "BucketVersioning", verb + "BucketVersioning"
	case q.Has("policyStatus"):
		return "GetBucketPolicyStatus", "GetBucketPolicyStatus"
	case q.Has("acl"):
		return verb + "BucketAcl", verb + "BucketAcl"
	}
	for _, s := range settings() {
		if q.Has(s.query) {
			return verb + s.noun, verb + s.iam
		}
	}
	switch method {
	case http.MethodHead:
		return "HeadBucket", "ListBucket"
	case http.MethodPut:
		return "CreateBucket", "CreateBucket"
	case http.MethodDelete:
		return "DeleteBucket", "DeleteBucket"
	}
	if q.Get("list-type") == "2" {
		return "ListObjectsV2", "ListBucket"
	}
	return "ListObjects", "ListBucket"
}
