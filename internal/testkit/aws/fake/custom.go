package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// responsePath is the URL path to which custom resources PUT their responses.
const responsePath = "/_cloudformation-custom-resource-response/"

// maxAnswer is CloudFormation's limit for a response, in bytes.
const maxAnswer = 4096

// customKind is the declaration of every custom resource.
func customKind() kind {
	return kind{Kind: cfn.Kind{Attributes: []string{"*"}, Required: []string{"ServiceToken"}}}
}

// customAnswer is the response of a custom resource's function.
type customAnswer struct {
	Status, Reason, PhysicalResourceId    string
	StackId, RequestId, LogicalResourceId string
	NoEcho                                bool
	Data                                  map[string]any
}

// answers holds the waiting custom resources, by the token in their URL.
type answers struct {
	mu      sync.Mutex
	waiting map[string]chan customAnswer
}

func newAnswers() *answers { return &answers{waiting: map[string]chan customAnswer{}} }

func (a *answers) expect() (token string, answer chan customAnswer, forget func()) {
	token, answer = wire.NewID(16), make(chan customAnswer, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[token] = answer
	return token, answer, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, token)
	}
}

// serve handles the presigned PUT to CloudFormation's bucket: the signature
// does not include a Content-Type, and S3 requires a length, which a chunked
// body lacks.
func (a *answers) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	a.mu.Lock()
	answer := a.waiting[strings.TrimPrefix(r.URL.Path, responsePath)]
	a.mu.Unlock()
	var in customAnswer
	refuse := func(status int, code, message string) {
		wire.WriteXML(w, status, wire.Group("Error", wire.Text("Code", code), wire.Text("Message", message)))
	}
	switch {
	case r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || r.URL.Query().Get("X-Amz-Signature") == "":
		refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	case r.ContentLength < 0:
		refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	case answer == nil:
		w.WriteHeader(http.StatusOK) // S3 accepts it; the caller no longer waits
	case len(body) > maxAnswer:
		w.WriteHeader(http.StatusOK)
		answer <- customAnswer{Status: "FAILED", Reason: "Response object is too long."}
	default:
		w.WriteHeader(http.StatusOK)
		if err := json.Unmarshal(body, &in); err != nil {
			in = customAnswer{Status: "FAILED", Reason: "Invalid JSON in the response"}
		}
		select {
		case answer <- in:
		default: // a second response changes nothing
		}
	}
}

func (f customResources) create(ctx context.Context, r cfn.Request) (cfn.Result, error) {
	a, err := f.call(ctx, "Create", r)
	result := cfn.Result{PhysicalID: a.PhysicalResourceId, Attributes: a.Data}
	if err != nil {
		return result, err
	}
	if a.PhysicalResourceId == "" {
		return result, cfn.Reasonf("Invalid PhysicalResourceId")
	}
	return result, nil
}

func (f customResources) update(ctx context.Context, r cfn.Request) (cfn.Result, error) {
	if str(r.Properties, "ServiceToken") != str(r.OldProperties, "ServiceToken") {
		return cfn.Result{}, cfn.Reasonf("Modifying service token is not allowed.")
	}
	a, err := f.call(ctx, "Update", r)
	if a.PhysicalResourceId == "" {
		a.PhysicalResourceId = r.PhysicalID
	}
	return cfn.Result{PhysicalID: a.PhysicalResourceId, Attributes: a.Data}, err
}

func (f customResources) delete(ctx context.Context, r cfn.Request) error {
	_, err := f.call(ctx, "Delete", r)
	return err
}

// call invokes the function behind ServiceToken and waits for its response up
// to ServiceTimeout (3600 s at most). If every attempt crashed, no response can
// come and the fake doesn't wait.
func (f customResources) call(ctx context.Context, requestType string, r cfn.Request) (customAnswer, error) {
	fn, ok := f.functions.find(str(r.Properties, "ServiceToken"))
	if !ok {
		return customAnswer{}, handlerError("Lambda", 404, "Function not found: "+str(r.Properties, "ServiceToken"), "NotFound")
	}
	token, answer, forget := f.answers.expect()
	defer forget()
	requestID := wire.NewUUID()
	event := map[string]any{
		"RequestType": requestType, "ServiceToken": r.Properties["ServiceToken"], "StackId": r.StackID, "RequestId": requestID,
		"ResponseURL":  f.Endpoint + responsePath + token + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=7200&X-Amz-Signature=" + wire.NewID(32),
		"ResourceType": r.Type, "LogicalResourceId": r.LogicalID, "ResourceProperties": asStrings(r.Properties),
	}
	if r.PhysicalID != "" {
		event["PhysicalResourceId"] = r.PhysicalID
	}
	if requestType == "Update" {
		event["OldResourceProperties"] = asStrings(r.OldProperties)
	}
	if f.options.Answer != nil {
		return f.answerHere(ctx, requestType, event, requestID)
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return customAnswer{}, fmt.Errorf("marshal custom resource event: %w", err)
	}
	crashed := make(chan struct{})
	f.functions.invokeAsync(fn, payload, func(ok bool) {
		if !ok {
			close(crashed)
		}
	})
	limit := time.NewTimer(time.Duration(number(r.Properties, "ServiceTimeout", 3600)) * time.Second)
	defer limit.Stop()
	silent := cfn.Reasonf("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.", requestID)
	select {
	case a := <-answer:
		return a, a.judge(requestID)
	case <-crashed:
		select {
		case a := <-answer: // it responded before it crashed
			return a, a.judge(requestID)
		default:
			return customAnswer{}, silent
		}
	case <-limit.C:
		return customAnswer{}, silent
	case <-ctx.Done():
		return customAnswer{}, context.Cause(ctx)
	}
}

// answerHere handles a custom resource without its function; the physical id is
// the logical one.
func (f customResources) answerHere(ctx context.Context, requestType string, event map[string]any, requestID string) (customAnswer, error) {
	a := customAnswer{Status: "SUCCESS", PhysicalResourceId: fmt.Sprint(event["LogicalResourceId"])}
	data, err := f.options.Answer(ctx, requestType, event)
	if err != nil {
		a.Status, a.Reason = "FAILED", err.Error()
	}
	a.Data = data
	return a, a.judge(requestID)
}

func (a customAnswer) judge(requestID string) error {
	switch a.Status {
	case "SUCCESS":
		return nil
	case "FAILED":
		return cfn.Reasonf("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", a.Reason, requestID)
	}
	return cfn.Reasonf("Invalid Status in the response of the custom resource")
}

// asStrings converts every scalar to text, as CloudFormation does.
func asStrings(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = asStrings(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = asStrings(item)
		}
		return out
	case string:
		return v
	}
	return fmt.Sprint(v)
}
