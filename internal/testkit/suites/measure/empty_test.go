package measure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	emptier "github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	"github.com/streamctl/streamctl/internal/testkit/suites/bucketload"
)

// boto3 empties a bucket as its documentation describes. If the server can't
// continue a listing after a deleted page, one call leaves the rest, so it is
// repeated until the bucket is empty. Python's start is not timed.
const boto3 = `
import sys, time, boto3
from botocore.config import Config
s3 = boto3.resource("s3", endpoint_url=sys.argv[1], aws_access_key_id="x", aws_secret_access_key="y", region_name="us-east-1",
                    config=Config(s3={"addressing_style": "path"}))
bucket = s3.Bucket(sys.argv[2])
began = time.perf_counter()
while bucket.object_versions.delete():
    pass
print(time.perf_counter() - began)
`

// s3Listing and s3Deleting are assumed durations of S3's calls for 1,000 keys,
// which depend on the keys and the day. The listing, page by page, is then the
// limit.
const (
	s3Listing  = 100 * time.Millisecond
	s3Deleting = 300 * time.Millisecond
)

// emptied is a server with full buckets.
type emptied struct {
	name string
	// sizes are the numbers of versions to measure.
	sizes []int
	// fill returns a server with a bucket of a number of versions.
	fill func(b *testing.B, versions int) (server http.Handler, bucket string)
	// aim is how many times faster than boto3 this should be; 0 if the server
	// is the limit.
	aim float64
}

// BenchmarkEmpty empties buckets with the program and with boto3, alternating,
// on each server and with each size.
func BenchmarkEmpty(b *testing.B) {
	top := bench.Size(b, "STREAMCTL_SCALE_VERSIONS", 1000)
	var sizes []int
	for n := 1000; n <= top; n *= 10 {
		sizes = append(sizes, n)
	}
	python, err := moto.Python(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for _, server := range []emptied{
		{name: "responding immediately", sizes: sizes, fill: paged(0, 0), aim: 5},
		{name: "as slow as S3", sizes: sizes[:min(len(sizes), 2)], fill: paged(s3Listing, s3Deleting)},
		{name: "gofakes3", sizes: sizes, fill: memory},
		{name: "moto", sizes: []int{max(1000, top/20)}, fill: motoServer(b)},
	} {
		for _, versions := range server.sizes {
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(server.name, " ", "-"), versions), func(b *testing.B) { besideBoto3(b, python, server, versions) })
		}
	}
}

func memory(b *testing.B, versions int) (http.Handler, string) {
	b.Helper()
	m := bucketload.NewMemory()
	if err := m.Fill(b.Context(), "memory", versions, 0); err != nil {
		b.Fatal(err)
	}
	return m, "memory"
}

func paged(listing, deleting time.Duration) func(*testing.B, int) (http.Handler, string) {
	return func(_ *testing.B, versions int) (http.Handler, string) {
		p := bucketload.NewPaged(versions)
		p.Listing, p.Deleting = listing, deleting
		return p, "paged"
	}
}

// besideBoto3 compares the program with boto3, one after the other.
func besideBoto3(b *testing.B, python string, server emptied, versions int) {
	b.Helper()
	var ours, theirs []time.Duration
	var served []float64
	for b.Loop() {
		took, serving := emptyOnce(b, server, versions, func(url, bucket string) time.Duration { return emptyOurs(b, url, bucket, versions) })
		ours, served = append(ours, took), append(served, float64(serving)/float64(took))
		took, _ = emptyOnce(b, server, versions, func(url, bucket string) time.Duration { return emptyBoto3(b, python, url, bucket) })
		theirs = append(theirs, took)
	}
	of := server.name + ": "
	bench.Report(b, "empty",
		bench.Figure{Name: of + "versions per second", Unit: "versions/s", Samples: bench.Rates(versions, ours), At: float64(versions)},
		bench.Figure{Name: of + "boto3", Unit: "versions/s", Samples: bench.Rates(versions, theirs), At: float64(versions)},
		bench.Figure{Name: of + "speed beside boto3", Samples: bench.Ratios(theirs, ours), Goal: server.aim, AtLeast: true, At: float64(versions)},
		bench.Figure{Name: of + "time", Unit: "ms", Samples: bench.Milliseconds(ours), At: float64(versions)},
		bench.Figure{Name: of + "calls in the server, on average", Unit: "calls", Samples: served, At: float64(versions)},
	)
}

// emptyOnce returns the time to empty a new bucket, and the server's total time
// for the calls, including concurrent ones.
func emptyOnce(b *testing.B, server emptied, versions int, empty func(url, bucket string) time.Duration) (took, serving time.Duration) {
	b.Helper()
	handler, bucket := server.fill(b, versions)
	front := &bucketload.Front{Server: handler}
	at := httptest.NewServer(front)
	defer at.Close()
	took = empty(at.URL, bucket)
	serving = front.Seen().Serving
	left, err := client(at.URL).ListObjectVersions(b.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil || len(left.Versions)+len(left.DeleteMarkers) > 0 {
		b.Fatalf("%s: the bucket is not empty, %v", server.name, err)
	}
	return took, serving
}

func emptyOurs(b *testing.B, url, bucket string, versions int) time.Duration {
	b.Helper()
	ours := emptier.Emptier{API: client(url)}
	began := time.Now()
	got, err := ours.Empty(b.Context(), bucket)
	took := time.Since(began)
	if err != nil || got.Versions != versions {
		b.Fatalf("%+v, %v", got, err)
	}
	return took
}

func emptyBoto3(b *testing.B, python, url, bucket string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), python, "-c", boto3, url, bucket)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("boto3: %v\n%s", err, said.String())
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

func client(url string) *s3.Client {
	return s3.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 10, Credentials: credentials.NewStaticCredentialsProvider("x", "y", ""),
	}, func(o *s3.Options) { o.UsePathStyle = true })
}

// motoServer starts moto, and fills its buckets slowly.
func motoServer(b *testing.B) func(*testing.B, int) (http.Handler, string) {
	b.Helper()
	endpoint, server := bucketload.StartMoto(b)
	buckets := 0
	return func(b *testing.B, versions int) (http.Handler, string) {
		b.Helper()
		buckets++
		bucket := fmt.Sprintf("moto-%d", buckets)
		if err := bucketload.Fill(b.Context(), client(endpoint), bucket, versions, 0); err != nil {
			b.Fatal(err)
		}
		return server, bucket
	}
}
