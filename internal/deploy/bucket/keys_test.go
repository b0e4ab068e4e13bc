package bucket_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy/bucket"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
	"github.com/streamctl/streamctl/internal/testkit/suites/bucketload"
)

// hostileKeys are keys that XML can't carry, or that an encoding may change.
func hostileKeys() []string {
	return []string{"raw/\x01", "raw/\x1f\x00end", "raw/\uFFFE", "raw/\uFFFF", "raw/\r", "raw/\n\t", "raw/\x7f", "raw/a+b c%20&<>\"'", "raw/\uFFFD", "raw/日本", "raw//../x"}
}

// versioned starts a fake of AWS with a bucket that keeps versions.
func versioned(t *testing.T, name string) (*awsfake.Fake, *s3.Client) {
	t.Helper()
	fake := faketest.Start(t, awsfake.Options{})
	client := s3.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &fake.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(fake.Credentials.AccessKeyID, fake.Credentials.SecretAccessKey, "")}, func(o *s3.Options) { o.UsePathStyle = true })
	if err := fake.Objects().CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	if err := fake.Objects().SetVersioning(name, "Enabled"); err != nil {
		t.Fatal(err)
	}
	return fake, client
}

// TestKeysThatXMLCannotCarry counts and empties a bucket with such keys: versions, delete
// markers and unfinished uploads.
func TestKeysThatXMLCannotCarry(t *testing.T) {
	const name = "hostile-keys"
	fake, client := versioned(t, name)
	for _, key := range hostileKeys() {
		for range 2 {
			if err := fake.Objects().Put(name, key, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(name), Key: &key}); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(name), Key: &key}); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
	}
	// The stand-in answers as S3: without an encoding, the listing is not readable.
	if _, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(name)}); err == nil {
		t.Error("a listing with control characters was read")
	}
	n := len(hostileKeys())
	contents, err := bucket.Count(t.Context(), client, "123456789012", name)
	if err != nil || contents.Versions != 2*n || contents.Markers != n || contents.Uploads != n {
		t.Errorf("%+v, %v", contents, err)
	}
	emptied, err := bucket.Emptier{API: client}.Empty(t.Context(), name)
	if err != nil || emptied != (bucket.Emptied{Versions: 2 * n, Markers: n, Uploads: n}) {
		t.Errorf("%+v, %v", emptied, err)
	}
	if versions, markers := fake.Objects().Versions(name); versions+markers > 0 {
		t.Errorf("%d versions and %d markers are left", versions, markers)
	}
}

// TestMarkersAreDecoded reads a listing whose pages end at such keys.
func TestMarkersAreDecoded(t *testing.T) {
	const name = "many-keys"
	fake, client := versioned(t, name)
	for range 1500 { // more than a page, of one key
		if err := fake.Objects().Put(name, "raw/\x01 +%", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	contents, err := bucket.Count(t.Context(), client, "123456789012", name)
	if err != nil || contents.Versions != 1500 || contents.Objects != 1 {
		t.Errorf("%+v, %v", contents, err)
	}
	emptied, err := bucket.Emptier{API: client}.Empty(t.Context(), name)
	if err != nil || emptied.Versions != 1500 {
		t.Errorf("%+v, %v", emptied, err)
	}
}

// forgetful reports deletions that do not happen.
type forgetful struct{ *s3.Client }

func (forgetful) DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error) {
	return &s3.DeleteObjectsOutput{}, nil
}

// TestDeletionsThatDoNotHappen ends with an error that names the object.
func TestDeletionsThatDoNotHappen(t *testing.T) {
	stand := bucketload.NewPaged(1500)
	_, client := bucketload.Behind(t, stand)
	_, err := bucket.Emptier{API: forgetful{client}}.Empty(t.Context(), "kept")
	if err == nil || !strings.Contains(err.Error(), `lists "0000000000" (version `) || stand.Left() != 1500 {
		t.Errorf("got %v", err)
	}
}
