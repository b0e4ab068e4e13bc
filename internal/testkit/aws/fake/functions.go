package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// functions are Lambda's functions.
type functions struct {
	fake *account

	mu sync.Mutex
	// byName holds functions by name, and their versions by name:number.
	byName map[string]*function
	// aliases maps name:alias to a version; published is the last version of a
	// name, which is kept after the function's deletion.
	aliases   map[string]string
	published map[string]int
}

func newFunctions(f *account) *functions {
	return &functions{fake: f, byName: map[string]*function{}, aliases: map[string]string{}, published: map[string]int{}}
}

// function is one Lambda function, or a version of it, with its execution
// environments.
type function struct {
	name, arn            string
	version              string // latest, or a number
	stackName, logicalID string
	props                map[string]any
	codeHash             string // the value of CodeSha256
	credential           sigv4.Credential

	slots   chan struct{} // one per possible execution environment
	invokes *atomic.Int64 // of all versions
	running *atomic.Int64 // of all versions

	mu         sync.Mutex
	idle       []*environment
	generation int // increased by an update; environments of older generations are retired
}

// properties returns the function's current properties. Do not modify them.
func (fn *function) properties() map[string]any {
	fn.mu.Lock()
	defer fn.mu.Unlock()
	return fn.props
}

// logGroup returns the name of the log group for the function's properties.
func (fn *function) logGroup(props map[string]any) string {
	if group := str(child(props, "LoggingConfig"), "LogGroup"); group != "" {
		return group
	}
	return "/aws/lambda/" + fn.name
}

// result is the result of an invocation.
type result struct {
	payload []byte
	// functionError is empty, or Unhandled, Lambda's value for a failure.
	functionError string
	requestID     string
}

// put creates or changes a function; after a change, new environments are
// started.
func (fs *functions) put(r cfn.Request) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fn, ok := fs.byName[r.PhysicalID]
	if !ok {
		fn = &function{
			name: r.PhysicalID, arn: fs.fake.arn("lambda", "function:"+r.PhysicalID), version: latest, stackName: r.StackName, logicalID: r.LogicalID,
			slots: make(chan struct{}, fs.fake.options.Concurrency), invokes: &atomic.Int64{}, running: &atomic.Int64{},
			credential: sigv4.Credential{
				AccessKeyID: "ASIA" + strings.ToUpper(wire.NewID(8)), SecretAccessKey: wire.NewID(20), SessionToken: wire.NewID(100), Principal: r.LogicalID,
			},
		}
		fs.byName[r.PhysicalID] = fn
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	fn.props, fn.codeHash = r.Properties, fs.fake.lambda.codeHash(r.Properties)
	fn.credential.ARN = "arn:aws:sts::" + fs.fake.options.Account + ":assumed-role/" + roleName(str(r.Properties, "Role")) + "/" + fn.name
	fs.fake.keys.Add(fn.credential)
	fn.retire()
}

// remove deletes a function with its versions and aliases.
func (fs *functions) remove(name string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for key, fn := range fs.byName {
		if fn.name != name {
			continue
		}
		delete(fs.byName, key)
		fs.fake.keys.Remove(fn.credential.AccessKeyID)
		fs.fake.registry.remove("AWS::Lambda::Version", fn.arn)
		fn.mu.Lock()
		fn.retire()
		fn.mu.Unlock()
	}
	for key := range fs.aliases {
		if functionName(key) == name {
			delete(fs.aliases, key)
			fs.fake.registry.remove("AWS::Lambda::Alias", fs.fake.arn("lambda", "function:"+key))
		}
	}
}

// find looks up a function by name or ARN, optionally followed by a version
// number or an alias.
func (fs *functions) find(nameOrARN string) (*function, bool) {
	name, qualifier := splitFunction(nameOrARN)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if version, ok := fs.aliases[qualified(name, qualifier)]; ok {
		qualifier = version
	}
	fn, ok := fs.byName[qualified(name, qualifier)]
	return fn, ok
}

// byLogicalID looks up a function by its logical id in the template.
func (fs *functions) byLogicalID(id string) (*function, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(fs.byName)) {
		if fn := fs.byName[name]; fn.version == latest && called(id, fn.stackName, fn.logicalID) {
			return fn, true
		}
	}
	return nil, false
}

// invoke runs one invocation to completion. An error means that Lambda itself
// failed; a function error is a result.
func (fs *functions) invoke(ctx context.Context, fn *function, payload []byte) (result, error) {
	return fs.invokeStream(ctx, fn, payload, nil)
}

// invokeStream runs one invocation and writes its response to stream as it comes, if it
// isn't nil; an error of the function is a result.
func (fs *functions) invokeStream(ctx context.Context, fn *function, payload []byte, stream io.Writer) (result, error) {
	defer fn.running.Add(-1)
	if reason := fs.throttled(fn, int(fn.running.Add(1))); reason != "" {
		return result{}, &throttledError{reason}
	}
	select {
	case fn.slots <- struct{}{}:
		defer func() { <-fn.slots }()
	case <-ctx.Done():
		return result{}, context.Cause(ctx)
	}
	fn.invokes.Add(1)
	fn.mu.Lock()
	generation, props := fn.generation, fn.props
	var e *environment
	fn.idle = slices.DeleteFunc(fn.idle, (*environment).dead)
	if n := len(fn.idle); n > 0 {
		e, fn.idle = fn.idle[n-1], fn.idle[:n-1]
	}
	fn.mu.Unlock()
	requestID := wire.NewUUID()
	if e == nil {
		var err error
		if e, err = fs.start(ctx, fn, props); err != nil {
			return failedResult(requestID, "Runtime.InvalidEntrypoint", err.Error()), nil
		}
	}
	timeout := time.Duration(number(props, "Timeout", 3)) * time.Second
	res, alive := e.run(ctx, requestID, payload, timeout, stream)
	fn.mu.Lock()
	defer fn.mu.Unlock()
	if alive && fn.generation == generation {
		fn.idle = append(fn.idle, e)
	} else {
		e.kill()
	}
	return res, nil
}

func failedResult(requestID, kind, message string) result {
	payload, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		payload = []byte(`{}`)
	}
	return result{payload: payload, functionError: "Unhandled", requestID: requestID}
}

// start starts an execution environment, which begins to initialize.
func (fs *functions) start(ctx context.Context, fn *function, props map[string]any) (*environment, error) {
	if fs.fake.options.Bootstrap == nil {
		return nil, fmt.Errorf("no bootstrap: Options.Bootstrap is not set")
	}
	path, err := fs.fake.options.Bootstrap(ctx, str(child(props, "Code"), "S3Key"))
	if err != nil {
		return nil, fmt.Errorf("find bootstrap: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find bootstrap: %w", err)
	}
	stream := time.Now().UTC().Format("2006/01/02/") + "[" + fn.version + "]" + wire.NewID(16)
	log := func(line string) { fs.fake.lambda.writeLog(fn, props, stream, line) }
	return startEnvironment(ctx, environmentSpec{
		path: path, function: fn, log: log, spawn: fs.fake.spawn,
		variables: fs.variables(fn, props, filepath.Dir(path), stream),
	})
}

// variables returns the environment of a bootstrap: the template's variables,
// Lambda's own, and two more for the endpoint and the CA.
func (fs *functions) variables(fn *function, props map[string]any, root, stream string) []string {
	f := fs.fake
	env := []string{
		"AWS_REGION=" + f.options.Region, "AWS_DEFAULT_REGION=" + f.options.Region,
		"AWS_LAMBDA_FUNCTION_NAME=" + fn.name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + fmt.Sprint(number(props, "MemorySize", 128)),
		"AWS_LAMBDA_FUNCTION_VERSION=" + fn.version, "AWS_LAMBDA_LOG_GROUP_NAME=" + fn.logGroup(props), "AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"_HANDLER=" + str(props, "Handler"), "LAMBDA_TASK_ROOT=" + root,
		"AWS_ACCESS_KEY_ID=" + fn.credential.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + fn.credential.SecretAccessKey, "AWS_SESSION_TOKEN=" + fn.credential.SessionToken,
		"AWS_ENDPOINT_URL=" + f.Endpoint, "AWS_CA_BUNDLE=" + f.CAFile,
	}
	variables := child(child(props, "Environment"), "Variables")
	for name, value := range variables {
		env = append(env, name+"="+fmt.Sprint(value))
	}
	slices.Sort(env)
	return env
}

// invokeAsync queues an event like Lambda: a failed invocation is retried,
// twice by default. done is called when it has succeeded or been given up.
func (fs *functions) invokeAsync(fn *function, payload []byte, done func(ok bool)) {
	const delay = 200 * time.Millisecond // minutes with Lambda
	retries := 2
	for _, c := range fs.fake.registry.list("AWS::Lambda::EventInvokeConfig") {
		target := qualified(functionName(str(c.props, "FunctionName")), str(c.props, "Qualifier"))
		if configured, ok := fs.find(target); ok && configured == fn {
			retries = number(c.props, "MaximumRetryAttempts", 2)
		}
	}
	fs.fake.spawn(func(ctx context.Context) {
		ok := false
		for attempt := 0; attempt <= retries && !ok && ctx.Err() == nil; attempt++ {
			if attempt > 0 && pause.For(ctx, delay) != nil {
				break
			}
			res, err := fs.invoke(ctx, fn, payload)
			ok = err == nil && res.functionError == ""
		}
		if done != nil {
			done(ok)
		}
	})
}

// Invoke invokes a function by its logical id and returns its response; a
// function error is also returned as an error.
func (f Functions) Invoke(ctx context.Context, logicalID string, payload []byte) ([]byte, error) {
	fn, ok := f.functions.byLogicalID(logicalID)
	if !ok {
		return nil, fmt.Errorf("invoke %s: function not found", logicalID)
	}
	res, err := f.functions.invoke(ctx, fn, payload)
	if err != nil {
		return nil, fmt.Errorf("invoke %s: %w", logicalID, err)
	}
	if res.functionError != "" {
		return res.payload, fmt.Errorf("invoke %s: %s: %s", logicalID, res.functionError, res.payload)
	}
	return res.payload, nil
}

// EndEnvironments ends every execution environment, busy ones after their
// response, as Lambda does from time to time: the next invocation starts a new
// one.
func (f Functions) EndEnvironments() {
	f.functions.mu.Lock()
	defer f.functions.mu.Unlock()
	for _, fn := range f.functions.byName {
		fn.mu.Lock()
		fn.retire()
		fn.mu.Unlock()
	}
}

// retire ends the environments. The function is locked.
func (fn *function) retire() {
	fn.generation++
	for _, e := range fn.idle {
		e.kill()
	}
	fn.idle = nil
}

// Invocations returns the number of a function's invocations so far, over all
// its versions, by logical id.
func (f Functions) Invocations(logicalID string) int {
	fn, ok := f.functions.byLogicalID(logicalID)
	if !ok {
		return 0
	}
	return int(fn.invokes.Load())
}

// writeLog writes a line to the function's log group. A deleted group is
// recreated only if the role may do so.
func (f lambdaAPI) writeLog(fn *function, props map[string]any, stream, line string) {
	group := fn.logGroup(props)
	if !f.logs.exists(group) && !f.mayCreateGroups(str(props, "Role")) {
		return
	}
	f.logs.write(group, stream, line)
}

func (f lambdaAPI) mayCreateGroups(role string) bool {
	p, ok := f.registry.find("AWS::IAM::Role", roleName(role))
	if !ok {
		return false
	}
	text, err := json.Marshal(p.props)
	return err == nil && (strings.Contains(string(text), "logs:CreateLogGroup") || strings.Contains(string(text), "AWSLambdaBasicExecutionRole"))
}

// executable checks that a bootstrap can be started.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("check bootstrap: %w", err)
	}
	if info.Mode()&0o111 == 0 {
		return fmt.Errorf("check bootstrap: %s is not executable", path)
	}
	return nil
}
