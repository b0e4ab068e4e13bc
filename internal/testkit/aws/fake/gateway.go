package fake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/local/gateway"
	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// exchange is one request at the REST APIs' listener.
type exchange struct {
	*http.Request
	w         http.ResponseWriter
	body      []byte
	apiID     string
	stage     *physical
	d         *deployment
	route     *route
	params    map[string]string
	path      string // without the stage
	requestID string
	holder    sigv4.Credential
}

// serve handles https://<api id>.execute-api.<region>.amazonaws.com.
func (a *apis) serve(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	apiID, domain, _ := strings.Cut(host, ".")
	x := &exchange{Request: r, w: w, apiID: apiID, requestID: wire.NewUUID()}
	w.Header().Set("X-Amzn-Requestid", x.requestID)
	if domain != "execute-api."+a.fake.options.Region+".amazonaws.com" {
		a.refuse(x, gateway.Forbidden)
		return
	}
	stageName, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	x.path = "/" + path
	x.stage, x.d, x.route, x.params = a.find(apiID, stageName, r.Method, x.path)
	if bad := a.handle(x); bad != nil {
		a.refuse(x, *bad)
	}
}

// handle performs API Gateway's steps in order; it returns a refusal if one
// rejects the request.
func (a *apis) handle(x *exchange) *gateway.Refusal {
	if x.stage == nil || x.d == nil {
		return &gateway.Forbidden
	}
	if x.route == nil {
		return &gateway.NoRoute
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.Body, gateway.MaxBody))
	if err != nil {
		return &gateway.TooLarge
	}
	x.body = body
	if x.route.auth == "AWS_IAM" {
		holder, err := a.fake.keys.Request(x.Request, body, sigv4.Scope{Service: "execute-api", Region: a.fake.options.Region}, time.Now())
		if err != nil {
			return new(gateway.BadSignature(err))
		}
		x.holder = holder
		a.fake.recorder.add(Call{
			At: time.Now(), Principal: holder.Principal, Service: "execute-api", Action: "Invoke", Operation: "Invoke", Status: http.StatusOK,
			Resource: a.fake.arn("execute-api", x.apiID+"/"+a.stageName(x)+"/"+x.Method+x.path),
		})
	}
	if a.throttled(x) {
		return &gateway.Throttled
	}
	if bad := x.validate(); bad != nil {
		return bad
	}
	if x.route.function == "" {
		for name, value := range x.route.mock.headers {
			if header, ok := strings.CutPrefix(name, "method.response.header."); ok {
				x.w.Header().Set(header, strings.Trim(value, "'"))
			}
		}
		x.w.WriteHeader(max(x.route.mock.status, http.StatusOK))
		return nil
	}
	return a.integrate(x)
}

func (a *apis) stageName(x *exchange) string {
	_, name, _ := strings.Cut(x.stage.id, "|")
	return name
}

// validate applies the route's validator. As in API Gateway, a content type
// without a model is not validated.
func (x *exchange) validate() *gateway.Refusal {
	for _, name := range x.route.required {
		parts := strings.SplitN(name, ".", 4)
		if len(parts) == 4 && parts[2] == "querystring" && !x.URL.Query().Has(parts[3]) {
			return new(gateway.MissingParameter(parts[3]))
		}
	}
	if !x.route.validate {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(x.Header.Get("Content-Type"))
	if err != nil {
		mediaType = "application/json"
	}
	schema, ok := x.route.models[mediaType]
	if !ok || x.isBinary() {
		return nil
	}
	if problem := schema.check(x.body); problem != "" {
		return new(gateway.BadBody(problem))
	}
	return nil
}

// isBinary reports whether the body has one of the API's binary media types.
func (x *exchange) isBinary() bool {
	mediaType, _, err := mime.ParseMediaType(x.Header.Get("Content-Type"))
	return slices.Contains(x.d.binary, "*/*") || err == nil && slices.Contains(x.d.binary, mediaType)
}

// integrate invokes the function and writes its response.
func (a *apis) integrate(x *exchange) *gateway.Refusal {
	fn, ok := a.fake.functions.find(x.route.function)
	if !ok || !a.fake.lambda.permitted(x.route.function, "apigateway.amazonaws.com", a.fake.arn("execute-api", x.apiID+"/"+a.stageName(x)+"/"+x.Method+x.route.template)) {
		return &gateway.NotAllowed
	}
	call := gateway.Call{
		Request: x.Request, Body: x.body, Binary: x.isBinary(), Resource: x.route.template, ResourceID: x.route.resource, Params: x.params,
		Path: x.path, APIID: x.apiID, Stage: a.stageName(x), Account: a.fake.options.Account, RequestID: x.requestID, Caller: x.holder,
	}
	if bad := call.Decompress(); bad != nil {
		return bad
	}
	payload, err := call.Event()
	if err != nil {
		return &gateway.NotAllowed
	}
	if len(payload) > gateway.MaxEvent {
		return &gateway.TooLarge
	}
	ctx, cancel := context.WithTimeout(x.Context(), time.Duration(x.route.timeout)*time.Millisecond)
	defer cancel()
	type outcome struct {
		res result
		err error
	}
	done := make(chan outcome, 1)
	go func() { // the function continues after the gateway's timeout
		res, err := a.fake.functions.invoke(context.WithoutCancel(x.Context()), fn, payload)
		done <- outcome{res, err}
	}()
	select {
	case <-ctx.Done():
		return &gateway.TimedOut
	case o := <-done:
		if throttled := (*throttledError)(nil); errors.As(o.err, &throttled) {
			return &noCapacity
		}
		if o.err != nil || o.res.functionError != "" || !gateway.WriteAnswer(x.w, o.res.payload) {
			a.fake.options.Log.WarnContext(ctx, "function failed behind an API", "function", fn.name, "err", o.err, "response", string(o.res.payload))
			return &gateway.Broken
		}
		return nil
	}
}

// noCapacity is API Gateway's response for a REST API whose function is throttled: Lambda's
// 429 becomes a failure of the integration.
var noCapacity = gateway.Refusal{Status: http.StatusInternalServerError, ResponseType: "INTEGRATION_FAILURE", ErrorType: "InternalServerErrorException", Message: "Internal server error"}

// refuse responds without the function, using the stack's GatewayResponse for
// the type or its default, if there is one.
func (a *apis) refuse(x *exchange, bad gateway.Refusal) {
	var g gatewayResponse
	found := false
	if x.d != nil && bad.ResponseType != "" {
		for _, name := range []string{bad.ResponseType, "DEFAULT_" + strconv.Itoa(bad.Status/100) + "XX"} {
			if g, found = x.d.responses[name]; found {
				break
			}
		}
	}
	x.w.Header().Set("X-Amzn-Errortype", bad.ErrorType)
	x.w.Header().Set("Content-Type", "application/json")
	body := `{"message":` + quoted(bad.Message) + `}`
	if found {
		if n, err := strconv.Atoi(g.status); err == nil {
			bad.Status = n
		}
		if template, ok := g.templates["application/json"]; ok {
			body = a.substitute(x, bad, template)
		}
		for name, value := range g.headers {
			if header, ok := strings.CutPrefix(name, "gatewayresponse.header."); ok {
				x.setMapped(header, value)
			}
		}
	}
	x.w.WriteHeader(bad.Status)
	_, _ = io.WriteString(x.w, body)
}

// setMapped sets a header to a fixed text, or to a header of the request; a
// missing request header is omitted.
func (x *exchange) setMapped(header, value string) {
	if from, ok := strings.CutPrefix(value, "method.request.header."); ok {
		value = x.Header.Get(from)
	}
	if value != "" {
		x.w.Header().Set(header, strings.Trim(value, "'"))
	}
}

// substitute replaces the $context variables of a response template.
func (a *apis) substitute(x *exchange, bad gateway.Refusal, template string) string {
	stage := ""
	if x.stage != nil {
		stage = a.stageName(x)
	}
	validation := bad.Validation
	if validation == "" {
		validation = "-"
	}
	return strings.NewReplacer(
		"$context.error.messageString", quoted(bad.Message), "$context.error.message", bad.Message,
		"$context.error.responseType", bad.ResponseType, "$context.error.validationErrorString", escaped(validation),
		"$context.requestId", x.requestID, "$context.extendedRequestId", x.requestID, "$context.stage", stage,
		"$context.httpMethod", x.Method, "$context.path", x.URL.Path, "$context.apiId", x.apiID,
	).Replace(template)
}

func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(data)
}

// escaped returns a text for use inside a JSON string.
func escaped(text string) string { return strings.Trim(quoted(text), `"`) }
