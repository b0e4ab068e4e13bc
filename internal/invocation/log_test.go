package invocation_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/streamctl/streamctl/internal/invocation"
)

// TestRequestID adds the invocation's id to the lines with its context.
func TestRequestID(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(invocation.WithRequestID(slog.NewTextHandler(&out, nil))).With("stack", "s")
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r1"})
	log.WarnContext(ctx, "inside", "n", 1)
	log.WarnContext(t.Context(), "outside")
	log.WithGroup("g").WarnContext(ctx, "grouped")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{"msg=inside stack=s n=1 requestId=r1", "msg=outside stack=s", "msg=grouped stack=s g.requestId=r1"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("%s: want %s", lines[i], want)
		}
	}
}
