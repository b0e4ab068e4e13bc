package fake

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// serve handles Lambda's REST API.
func (f lambdaAPI) serve(w http.ResponseWriter, r *request) {
	const mappingsPath, functionsPath, streamPath = "/2015-03-31/event-source-mappings", "/2015-03-31/functions/", "/2021-11-15/functions/"
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "/2016-08-19/account-settings":
		f.serveAccountSettings(w, r)
	case path == mappingsPath && r.Method == http.MethodGet:
		r.is("ListEventSourceMappings", "*")
		f.listMappings(w, r)
	case strings.HasPrefix(path, mappingsPath+"/"):
		f.serveMapping(w, r, strings.TrimPrefix(path, mappingsPath+"/"))
	case strings.HasPrefix(path, streamPath) && f.options.StreamRate >= 0:
		name, rest, _ := strings.Cut(strings.TrimPrefix(path, streamPath), "/")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
		f.serveFunction(w, r, name, rest)
	case strings.HasPrefix(path, functionsPath):
		name, rest, _ := strings.Cut(strings.TrimPrefix(path, functionsPath), "/")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
		f.serveFunction(w, r, name, rest)
	default:
		f.refuse(w, r, notThere(r))
	}
}

// is sets the call's action and resource for the record.
func (r *request) is(action, resource string) {
	r.call.Action, r.call.Operation, r.call.Resource = action, action, resource
}

// faulty responds with an injected fault of a REST call, whose action is known
// only after routing.
func (f *account) faulty(w http.ResponseWriter, r *request) bool {
	if injected := f.recorder.take(r.call.Service, r.call.Action, r.call.Operation); injected != nil {
		f.refuse(w, r, injected)
		return true
	}
	return false
}

func (f lambdaAPI) listMappings(w http.ResponseWriter, r *request) {
	if f.faulty(w, r) {
		return
	}
	q := r.URL.Query()
	list := []any{}
	for _, m := range f.mappings.list(q.Get("FunctionName"), q.Get("EventSourceArn")) {
		list = append(list, f.mappings.describe(m))
	}
	wire.WriteJSON(w, http.StatusOK, "application/json", map[string]any{"EventSourceMappings": list})
}

func (ms *mappings) describe(m *mapping) map[string]any {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	s := settings(m.props)
	return map[string]any{
		"UUID": m.uuid, "EventSourceArn": m.streamARN, "FunctionArn": m.functionARN, "State": m.state,
		"StateTransitionReason": "User action", "LastModified": float64(m.modified.UnixMilli()) / 1000,
		"BatchSize": s.BatchSize, "MaximumBatchingWindowInSeconds": s.WindowSeconds, "ParallelizationFactor": s.Parallelization,
		"BisectBatchOnFunctionError": s.Bisect, "MaximumRetryAttempts": s.Retries, "MaximumRecordAgeInSeconds": s.RecordAgeSeconds,
		"StartingPosition": str(m.props, "StartingPosition"), "LastProcessingResult": cmp.Or(m.result, "OK"),
		"EventSourceMappingArn": ms.fake.arn("lambda", "event-source-mapping:"+m.uuid),
	}
}

func (f lambdaAPI) serveMapping(w http.ResponseWriter, r *request, uuid string) {
	resource := f.arn("lambda", "event-source-mapping:"+uuid)
	switch r.Method {
	case http.MethodGet:
		r.is("GetEventSourceMapping", resource)
	case http.MethodPut:
		r.is("UpdateEventSourceMapping", resource)
	default:
		f.refuse(w, r, notThere(r))
		return
	}
	if f.faulty(w, r) {
		return
	}
	f.mappings.mu.Lock()
	m, ok := f.mappings.all[uuid]
	f.mappings.mu.Unlock()
	if !ok {
		f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."})
		return
	}
	status := http.StatusOK
	if r.Method == http.MethodPut {
		var in struct{ Enabled *bool }
		if err := json.Unmarshal(r.body, &in); err != nil {
			f.refuse(w, r, wire.Errorf("InvalidRequestContentException", "read request: %v", err))
			return
		}
		f.mappings.mu.Lock()
		if m.state == "Enabling" || m.state == "Disabling" {
			f.mappings.mu.Unlock()
			f.refuse(w, r, &wire.Error{Status: http.StatusBadRequest, Code: "ResourceInUseException", Message: "Cannot update the event source mapping because it is in use."})
			return
		}
		if in.Enabled != nil {
			f.mappings.setEnabled(m, *in.Enabled)
		}
		f.mappings.mu.Unlock()
		status = http.StatusAccepted
	}
	wire.WriteJSON(w, status, "application/json", f.mappings.describe(m))
}

func (f lambdaAPI) serveFunction(w http.ResponseWriter, r *request, name, rest string) {
	if q := r.URL.Query().Get("Qualifier"); q != "" {
		name = qualified(functionName(name), q)
	}
	resource := f.functionARN(name)
	switch {
	case rest == "" && r.Method == http.MethodGet:
		r.is("GetFunction", resource)
	case rest == "configuration" && r.Method == http.MethodGet:
		r.is("GetFunctionConfiguration", resource)
	case rest == "invocations" && r.Method == http.MethodPost:
		r.is("InvokeFunction", resource)
		r.call.Operation = "Invoke"
	case rest == "response-streaming-invocations" && r.Method == http.MethodPost:
		r.is("InvokeFunction", resource)
		r.call.Operation = "InvokeWithResponseStream"
	default:
		f.refuse(w, r, notThere(r))
		return
	}
	if f.faulty(w, r) {
		return
	}
	fn, ok := f.functions.find(name)
	if !ok {
		f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Function not found: " + resource})
		return
	}
	switch r.call.Operation {
	case "Invoke":
		f.serveInvoke(w, r, fn)
	case "InvokeWithResponseStream":
		f.serveStream(w, r, fn)
	case "GetFunction":
		wire.WriteJSON(w, http.StatusOK, "application/json", map[string]any{"Configuration": fn.configuration(resource), "Code": map[string]any{"RepositoryType": "S3"}})
	default:
		out := fn.configuration(resource)
		if p, ok := f.registry.find("AWS::Lambda::Function", name); ok && p.props["Role"] != nil {
			out["Role"] = p.props["Role"] // which may have been changed outside of the stack
		}
		wire.WriteJSON(w, http.StatusOK, "application/json", out)
	}
}

func (fn *function) configuration(arn string) map[string]any {
	fn.mu.Lock()
	defer fn.mu.Unlock()
	out := map[string]any{
		"FunctionName": fn.name, "FunctionArn": arn, "State": "Active", "LastUpdateStatus": "Successful", "Version": fn.version, "CodeSha256": fn.codeHash,
		"MemorySize": number(fn.props, "MemorySize", 128), "Timeout": number(fn.props, "Timeout", 3), "PackageType": "Zip",
		"LastModified": time.Now().UTC().Format("2006-01-02T15:04:05.000+0000"),
	}
	for _, name := range []string{"Role", "Handler", "Runtime", "Architectures", "Environment", "LoggingConfig", "Description", "VpcConfig"} {
		if v, ok := fn.props[name]; ok {
			out[name] = v
		}
	}
	return out
}

func (f lambdaAPI) serveInvoke(w http.ResponseWriter, r *request, fn *function) {
	payload := r.body
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	switch r.Header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
		return
	case "Event":
		f.functions.invokeAsync(fn, payload, nil)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	res, err := f.functions.invoke(r.Context(), fn, payload)
	if throttled := (*throttledError)(nil); errors.As(err, &throttled) {
		f.refuse(w, r, &wire.Error{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: throttled.Error()})
		return
	}
	if err != nil {
		f.refuse(w, r, &wire.Error{Status: http.StatusInternalServerError, Code: "ServiceException", Message: err.Error()})
		return
	}
	if res.functionError != "" {
		w.Header().Set("X-Amz-Function-Error", res.functionError)
	}
	w.Header().Set("X-Amz-Executed-Version", fn.version)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(res.payload)
}
