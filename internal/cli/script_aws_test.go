package cli_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/rogpeppe/go-internal/testscript"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// fakeKey is the key of a script's fake of AWS.
type fakeKey struct{}

// standInForAWS starts a stand-in for AWS and works on it:
//
//	aws start [DELAY]                 sets the variables that reach it; each step of a resource takes DELAY
//	aws stack NAME FILE               creates a stack; $NAME in the file are variables of the script
//	aws doomed NAME FILE              creates a stack, whose create must fail
//	aws begin NAME FILE               begins to create a stack
//	aws status NAME STATUS            sets a stack's status
//	aws fail SERVICE ACTION CODE      rejects every call of an action with 400
//	aws put BUCKET KEY                puts an object into a bucket
//	aws fail-resource ID REASON       makes the next creation or update of a logical id fail
//	aws fail-delete ID REASON         makes the next deletion of a logical id fail
//	aws alarm ID STATE REASON         sets the state of an alarm
//	aws log GROUP LINE                writes a line into a log group
func standInForAWS(ctx context.Context, ts *testscript.TestScript, neg bool, args []string) {
	usage := func(n int) {
		if neg || len(args) != n {
			ts.Fatalf("usage: aws start [DELAY] | stack NAME FILE | doomed NAME FILE | begin NAME FILE | status NAME STATUS | fail SERVICE ACTION CODE | put BUCKET KEY | fail-resource ID REASON | fail-delete ID REASON | alarm ID STATE REASON | log GROUP LINE")
		}
	}
	if len(args) == 0 {
		usage(-1)
	}
	if args[0] == "start" {
		if len(args) != 2 {
			usage(1)
		}
		startAWS(ctx, ts, args[1:])
		return
	}
	fake, ok := fakes(ts)[fakeKey{}].(*awsfake.Fake)
	if !ok {
		ts.Fatalf("aws %s: `aws start` first", args[0])
	}
	switch args[0] {
	case "stack":
		usage(3)
		stacks := stacksOf(fake)
		ts.Check(beginStack(ctx, stacks, args[1], os.Expand(ts.ReadFile(args[2]), ts.Getenv)))
		ts.Check(cfn.NewStackCreateCompleteWaiter(stacks, func(o *cfn.StackCreateCompleteWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
			Wait(ctx, &cfn.DescribeStacksInput{StackName: &args[1]}, time.Minute))
	case "doomed":
		usage(3)
		stacks := stacksOf(fake)
		ts.Check(beginStack(ctx, stacks, args[1], os.Expand(ts.ReadFile(args[2]), ts.Getenv)))
		if cfn.NewStackCreateCompleteWaiter(stacks, func(o *cfn.StackCreateCompleteWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
			Wait(ctx, &cfn.DescribeStacksInput{StackName: &args[1]}, time.Minute) == nil {
			ts.Fatalf("stack %s was created", args[1])
		}
		ts.Check(fake.AwaitSettled(ctx, args[1]))
	case "begin":
		usage(3)
		ts.Check(beginStack(ctx, stacksOf(fake), args[1], os.Expand(ts.ReadFile(args[2]), ts.Getenv)))
	case "status":
		usage(3)
		ts.Check(fake.SetStackStatus(args[1], args[2]))
	case "fail":
		usage(4)
		fake.FailCall(args[1], args[2], http.StatusBadRequest, args[3], "the script rejects it", 1000)
	case "put":
		usage(3)
		ts.Check(fake.Objects().Put(args[1], args[2], []byte("x")))
	case "fail-resource":
		usage(3)
		fake.FailResource(args[1], args[2])
	case "fail-delete":
		usage(3)
		fake.FailDelete(args[1], args[2])
	case "alarm":
		usage(4)
		fake.SetAlarm(args[1], args[2], args[3])
	case "log":
		usage(3)
		fake.WriteLog(args[1], args[2])
	default:
		usage(-1)
	}
}

func startAWS(ctx context.Context, ts *testscript.TestScript, delay []string) {
	o := awsfake.Options{Dir: ts.MkAbs(".aws"), Answer: answered}
	if len(delay) > 0 {
		d, err := time.ParseDuration(delay[0])
		ts.Check(err)
		o.Delay = func(string) time.Duration { return d }
	}
	ts.Check(os.MkdirAll(o.Dir, 0o700))
	fake, err := awsfake.Start(ctx, o)
	ts.Check(err)
	ts.Defer(func() { ts.Check(fake.Stop()) })
	for _, pair := range append(fake.Environment(), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull) {
		name, value, _ := strings.Cut(pair, "=")
		ts.Setenv(name, value)
	}
	fakes(ts)[fakeKey{}] = fake
}

// fakes is the state of a script, which Setup makes.
func fakes(ts *testscript.TestScript) map[any]any {
	values, ok := ts.Value(fakeKey{}).(map[any]any)
	if !ok {
		ts.Fatalf("Setup made no state")
	}
	return values
}

func stacksOf(fake *awsfake.Fake) *cfn.Client {
	return cfn.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &fake.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(fake.Credentials.AccessKeyID, fake.Credentials.SecretAccessKey, "")})
}

func beginStack(ctx context.Context, stacks *cfn.Client, name, body string) error {
	_, err := stacks.CreateStack(ctx, &cfn.CreateStackInput{StackName: &name, TemplateBody: &body})
	return err
}

// serveAPI serves an API whose responses are files of the script, and sets $API to its
// URL. A file's path is FOLDER, the path of the request, and .json; its first line may
// be a status. A request without a file gets 404.
func serveAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: api FOLDER")
	}
	root := os.DirFS(ts.MkAbs(args[0]))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := fs.ReadFile(root, strings.TrimPrefix(filepath.Clean(r.URL.Path), "/")+".json")
		status := http.StatusOK
		if errors.Is(err, fs.ErrNotExist) {
			status, body = http.StatusNotFound, []byte(`{"title": "Not Found", "detail": "the script has no file for it"}`)
		} else if err != nil {
			status, body = http.StatusInternalServerError, []byte(err.Error())
		}
		if first, rest, found := strings.Cut(string(body), "\n"); found {
			if n, err := strconv.Atoi(first); err == nil {
				status, body = n, []byte(rest)
			}
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	ts.Defer(server.Close)
	ts.Setenv("API", server.URL)
}
