package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// mappings are Lambda's event source mappings, by UUID.
type mappings struct {
	fake *account

	mu  sync.Mutex
	all map[string]*mapping
}

func newMappings(f *account) *mappings { return &mappings{fake: f, all: map[string]*mapping{}} }

// mapping is one event source mapping with its mapper.
type mapping struct {
	uuid, functionARN, streamARN string
	props                        map[string]any
	state                        string // Enabled, Disabling, Disabled, Enabling
	result                       string // of the last processing; OK if empty
	modified                     time.Time
	mapper                       *mapper.Mapper
	stop                         func()
}

func checkMapping(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("Lambda", 400, message, "InvalidRequest") }
	if err := needsFunction("FunctionName")(f, r); err != nil {
		return err
	}
	source := str(p, "EventSourceArn")
	_, name, ok := strings.Cut(source, ":stream/")
	if !ok {
		return refuse("Unrecognized event source, must be kinesis, dynamodb stream or sqs. The fake has kinesis.")
	}
	if _, exists := f.registry.find("AWS::Kinesis::Stream", name); !exists {
		return refuse("Stream not found: " + source)
	}
	if position := str(p, "StartingPosition"); position != "TRIM_HORIZON" && position != "LATEST" {
		return refuse("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	}
	if destination := str(child(child(p, "DestinationConfig"), "OnFailure"), "Destination"); destination != "" {
		bucket, isBucket := strings.CutPrefix(destination, "arn:aws:s3:::")
		if !isBucket || !slices.Contains(f.objects.Buckets(), bucket) {
			return refuse("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=" + destination + ")) is invalid.")
		}
	}
	if _, err := mapper.New(mapper.Options{Source: mapper.NewKinesis(nil, name), Invoker: mapper.InvokerFunc(nil), Settings: settings(p)}); err != nil {
		return refuse(err.Error())
	}
	return nil
}

// settings reads a mapping's properties, with Lambda's defaults.
func settings(p map[string]any) contract.Mapping {
	return contract.Mapping{
		BatchSize: number(p, "BatchSize", 100), WindowSeconds: number(p, "MaximumBatchingWindowInSeconds", 0),
		Parallelization: number(p, "ParallelizationFactor", 1), Bisect: flag(p, "BisectBatchOnFunctionError"),
		Retries: number(p, "MaximumRetryAttempts", -1), RecordAgeSeconds: number(p, "MaximumRecordAgeInSeconds", -1),
		OnFailure: str(child(child(p, "DestinationConfig"), "OnFailure"), "Destination") != "",
	}
}

// put creates or changes a mapping: its mapper resumes at its checkpoints.
func (ms *mappings) put(r cfn.Request) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m, ok := ms.all[r.PhysicalID]
	var checkpoints map[string]string
	if ok && m.mapper != nil {
		m.stop()
		checkpoints = m.mapper.Checkpoints()
	}
	fn, ok := ms.fake.functions.find(str(r.Properties, "FunctionName"))
	if !ok {
		return cfn.Reasonf("Function not found: %s", str(r.Properties, "FunctionName"))
	}
	m = &mapping{
		uuid: r.PhysicalID, functionARN: ms.fake.lambda.functionARN(str(r.Properties, "FunctionName")), streamARN: str(r.Properties, "EventSourceArn"), props: r.Properties,
		state: "Enabled", modified: time.Now(), stop: func() {},
	}
	ms.all[r.PhysicalID] = m
	enabled := str(r.Properties, "Enabled") != "false"
	if !enabled {
		m.state = "Disabled"
	}
	return ms.run(m, fn, checkpoints, enabled)
}

// run starts the mapper; without a Kinesis server there is nothing to read.
func (ms *mappings) run(m *mapping, fn *function, checkpoints map[string]string, enabled bool) error {
	f := ms.fake
	client := f.streaming.streams()
	if client == nil {
		return nil
	}
	_, stream, _ := strings.Cut(m.streamARN, ":stream/")
	o := mapper.Options{
		UUID: m.uuid, FunctionARN: m.functionARN, StreamARN: m.streamARN, Region: f.options.Region, RoleARN: str(fn.properties(), "Role"),
		Settings: settings(m.props), Source: mapper.NewKinesis(client, stream), Checkpoints: checkpoints,
		Poll: 100 * time.Millisecond, Backoff: 100 * time.Millisecond, MaxBackoff: 2 * time.Second, Log: f.options.Log,
		Invoker: mapper.InvokerFunc(func(ctx context.Context, payload []byte) (mapper.Result, error) {
			fn, ok := f.functions.find(m.functionARN) // an alias may have changed
			if !ok {
				return mapper.Result{}, fmt.Errorf("invoke %s: function not found", m.functionARN)
			}
			res, err := f.functions.invoke(ctx, fn, payload)
			return mapper.Result{Payload: res.payload, Failed: res.functionError != ""}, err
		}),
	}
	if bucket, ok := strings.CutPrefix(str(child(child(m.props, "DestinationConfig"), "OnFailure"), "Destination"), "arn:aws:s3:::"); ok {
		o.OnFailure = bucketSink{f, bucket}
	}
	var err error
	if m.mapper, err = mapper.New(o); err != nil {
		return err
	}
	m.mapper.SetEnabled(enabled)
	stopped, ended := make(chan struct{}), make(chan struct{})
	stop := sync.OnceFunc(func() { close(stopped) })
	m.stop = func() { stop(); <-ended }
	f.spawn(func(ctx context.Context) {
		defer close(ended)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-stopped:
				cancel()
			case <-ctx.Done():
			}
		}()
		_ = m.mapper.Run(ctx) // returns only when ctx ends
	})
	return nil
}

// bucketSink writes given-up records, as Lambda does with the function's role;
// the write is not recorded as a call of the function.
type bucketSink struct {
	fake   *account
	bucket string
}

func (s bucketSink) Put(_ context.Context, key string, object []byte) error {
	return s.fake.objects.Put(s.bucket, key, object)
}

func (ms *mappings) remove(uuid string) {
	ms.mu.Lock()
	m, ok := ms.all[uuid]
	delete(ms.all, uuid)
	ms.mu.Unlock()
	if ok {
		m.stop()
	}
}

// setEnabled changes the state in the background, like Lambda: a mapping is
// Disabled once its running invocation has ended.
func (ms *mappings) setEnabled(m *mapping, enabled bool) {
	passing, final := "Enabling", "Enabled"
	if !enabled {
		passing, final = "Disabling", "Disabled"
	}
	if m.state == final {
		return
	}
	m.state, m.modified = passing, time.Now()
	if m.mapper != nil {
		m.mapper.SetEnabled(enabled)
	}
	ms.fake.spawn(func(ctx context.Context) {
		if m.mapper != nil && !enabled {
			m.mapper.Drain()
		}
		if pause.For(ctx, ms.settle()) != nil {
			return
		}
		ms.mu.Lock()
		defer ms.mu.Unlock()
		m.state, m.modified = final, time.Now()
	})
}

func (ms *mappings) settle() time.Duration {
	if ms.fake.options.Delay == nil {
		return 50 * time.Millisecond
	}
	return ms.fake.options.Delay("AWS::Lambda::EventSourceMapping")
}

// list returns the mappings by UUID, optionally of one function or stream.
func (ms *mappings) list(function, stream string) []*mapping {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	var out []*mapping
	for _, uuid := range slices.Sorted(maps.Keys(ms.all)) {
		m := ms.all[uuid]
		if (function == "" || functionName(m.functionARN) == functionName(function)) && (stream == "" || m.streamARN == stream) {
			out = append(out, m)
		}
	}
	return out
}

// SetProcessingResult sets the result of a mapping's last invocation as Lambda
// reports it after a failure.
func (f Faults) SetProcessingResult(logicalID, result string) {
	for _, p := range f.registry.list("AWS::Lambda::EventSourceMapping") {
		if !called(logicalID, p.stackName, p.logicalID) {
			continue
		}
		f.mappings.mu.Lock()
		f.mappings.all[p.id].result = result
		f.mappings.mu.Unlock()
	}
}

// MappingStats returns the counters of a mapping's mapper, by logical id; ok is
// false if the mapping doesn't exist or has nothing to read.
func (f Functions) MappingStats(logicalID string) (stats mapper.Stats, ok bool) {
	for _, p := range f.registry.list("AWS::Lambda::EventSourceMapping") {
		if !called(logicalID, p.stackName, p.logicalID) {
			continue
		}
		f.mappings.mu.Lock()
		m := f.mappings.all[p.id]
		f.mappings.mu.Unlock()
		if m != nil && m.mapper != nil {
			return m.mapper.Stats(), true
		}
	}
	return mapper.Stats{}, false
}
