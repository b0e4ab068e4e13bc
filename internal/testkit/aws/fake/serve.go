package fake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/s3fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// maxBody is the largest request body that the endpoint reads, in bytes.
const maxBody = 256 << 20

// request is a call with the fake's information about it.
type request struct {
	*http.Request
	body   []byte
	form   wire.Form
	call   Call
	holder sigv4.Credential
}

// serve handles every request to the plain endpoint.
func (f endpoint) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		wire.WriteJSONError(w, wire.Errorf("RequestEntityTooLargeException", "read body: %v", err))
		return
	}
	if strings.HasPrefix(r.URL.Path, responsePath) {
		f.answers.serve(w, r, body)
		return
	}
	scope, _ := sigv4.CredentialScope(r)
	req := &request{Request: r, body: body, form: wire.Form{Values: url.Values{}}, call: Call{At: time.Now(), Service: scope.Service, Resource: "*"}}
	req.identify()
	out := &answer{ResponseWriter: w, status: http.StatusOK}
	f.answer(out, req)
	req.call.Status = out.status
	req.call.Code = out.Header().Get("X-Amzn-Errortype")
	f.recorder.add(req.call)
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	out.send()
}

// now returns the time in AWS.
func (f *account) now() time.Time { return time.Now().Add(f.options.Skew) }

func (f endpoint) answer(w http.ResponseWriter, r *request) {
	holder, err := f.keys.Request(r.Request, r.body, sigv4.Scope{}, f.now())
	if err != nil {
		f.refuse(w, r, signatureError(r.call.Service, err))
		return
	}
	r.holder, r.call.Principal = holder, holder.Principal
	if injected := f.recorder.take(r.call.Service, r.call.Action, r.call.Operation); injected != nil {
		f.refuse(w, r, injected)
		return
	}
	if f.options.Before != nil {
		if err := f.options.Before(r.call); err != nil {
			f.refuse(w, r, err)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(r.body))
	switch r.call.Service {
	case "cloudformation":
		if !f.serveDrift(w, r) {
			f.stacks.ServeAction(w, r.Request, r.form)
		}
	case "s3":
		if f.serveEncryption(w, r, s3fake.Identify(r.Request).Bucket) {
			return
		}
		if err := f.objects.Serve(w, r.Request, s3fake.Identify(r.Request), r.body); err != nil {
			w.Header().Set("X-Amzn-Errortype", wire.AsError(err).Code)
		}
	case "sts":
		f.sts.serve(w, r)
	case "lambda":
		f.lambda.serve(w, r)
	case "kinesis":
		f.streaming.serve(w, r)
	case "rds":
		f.rds.serve(w, r)
	case "logs":
		f.logging.serve(w, r)
	case "elasticache":
		f.elasticache.serve(w, r)
	case "apigateway":
		f.gateway.serve(w, r)
	case "kms":
		f.kms.serve(w, r)
	case "cloudwatch":
		f.cloudwatch.serve(w, r)
	case "iam":
		f.iam.serve(w, r)
	case "ec2":
		f.ec2.serve(w, r)
	case "sns":
		f.sns.serve(w, r)
	case "ssm":
		f.ssm.serve(w, r)
	default:
		f.refuse(w, r, notThere(r))
	}
}

// notThere returns the error for unsupported calls.
func notThere(r *request) error {
	action := r.call.Action
	if action == "" {
		action = r.Method + " " + r.URL.Path
	}
	return &wire.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: fmt.Sprintf("the fake does not support %s:%s", r.call.Service, action)}
}

// refuse writes an error in the service's protocol.
func (f *account) refuse(w http.ResponseWriter, r *request, err error) {
	w.Header().Set("X-Amzn-Errortype", wire.AsError(err).Code)
	switch {
	case r.call.Service == "s3":
		s3fake.WriteError(w, r.Request, err)
	case r.call.Service == "ec2":
		writeEC2Error(w, err)
	case r.form.Has("Action"):
		wire.WriteQueryError(w, err)
	case r.call.Service == "cloudwatch":
		writeBinaryError(w, err)
	default:
		wire.WriteJSONError(w, err)
	}
}

// identify determines the action, and for S3 and Kinesis the resource.
func (r *request) identify() {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case r.call.Service == "s3":
		o := s3fake.Identify(r.Request)
		r.call.Action, r.call.Operation, r.call.Resource = o.Action, o.Name, o.Resource()
	case r.call.Service == "monitoring": // IAM uses another name
		r.call.Service, r.call.Action = "cloudwatch", r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	case target != "":
		_, r.call.Action, _ = strings.Cut(target, ".")
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		if values, err := url.ParseQuery(string(r.body)); err == nil {
			r.form.Values = values
			r.call.Action = values.Get("Action")
		}
	}
	if r.call.Operation == "" {
		r.call.Operation = r.call.Action
	}
	if stack := r.form.Get("StackName"); stack != "" {
		r.call.Resource = stack
	}
}

// signatureError converts an invalid signature into the service's error code.
func signatureError(service string, err error) error {
	var bad *sigv4.Error
	if !errors.As(err, &bad) {
		return err
	}
	type codes struct{ missing, unknown, mismatch, expired string }
	c := codes{"MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}
	switch service {
	case "s3":
		c = codes{"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}
	case "kinesis", "logs", "kms", "lambda", "apigateway", "cloudwatch", "ssm":
		c = codes{"MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidSignatureException"}
	}
	out := &wire.Error{Status: http.StatusForbidden, Message: bad.Message}
	switch bad.Kind {
	case sigv4.Missing, sigv4.Malformed:
		out.Code = c.missing
	case sigv4.UnknownKey:
		out.Code = c.unknown
	case sigv4.Expired:
		out.Code = c.expired
	default:
		out.Code = c.mismatch
	}
	return out
}

func (f stsAPI) serve(w http.ResponseWriter, r *request) {
	if r.call.Action != "GetCallerIdentity" {
		f.refuse(w, r, notThere(r))
		return
	}
	wire.WriteQuery(w, "https://sts.amazonaws.com/doc/2011-06-15/", "GetCallerIdentity",
		wire.Text("Arn", r.holder.ARN), wire.Text("UserId", r.holder.AccessKeyID), wire.Text("Account", f.options.Account))
}
