package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

func objects(f *awsfake.Fake) *s3.Client {
	return s3.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &f.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, ""),
	}, func(o *s3.Options) { o.UsePathStyle = true })
}

// arrivedEarlier copies the archived objects as if they had arrived three hours
// ago, too: a closed hour, which maintenance compares.
func (s stack) arrivedEarlier() {
	t, client := s.t, objects(s.platform.Fake)
	t.Helper()
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(s.outputs["ArchiveBucket"]), Prefix: aws.String("raw/")})
	if err != nil || len(list.Contents) == 0 {
		t.Fatalf("nothing is archived: %v", err)
	}
	from := list.Contents[0].Key
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s.outputs["ArchiveBucket"]), Key: from})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil {
		t.Fatal(err)
	}
	earlier := time.Now().UTC().Add(-3 * time.Hour)
	key := regexp.MustCompile(`dt=[^/]+/hr=\d+`).ReplaceAllString(*from, earlier.Format("dt=2006-01-02/hr=15"))
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.outputs["ArchiveBucket"]), Key: &key, Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	conn := s.master()
	_, err = conn.Exec(t.Context(), `INSERT INTO load_batch (shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes, arrived)
		VALUES ('s', '0', '0', 0, 0, 0, 0, '{}', $1)`, earlier)
	if err := errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))); err != nil {
		t.Fatal(err)
	}
}

// deleteObjects leaves delete markers.
func deleteObjects(t testing.TB, f *awsfake.Fake, bucket string, n int) {
	t.Helper()
	client := objects(f)
	for i := range n {
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(fmt.Sprintf("gone/%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
}
