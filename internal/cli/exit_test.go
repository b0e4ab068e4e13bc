package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/cost"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/database"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/send"
	"github.com/streamctl/streamctl/internal/sqlproxy"
)

func rejectedBy(code string) error {
	return &smithy.OperationError{ServiceID: "CloudFormation", OperationName: "DescribeStacks", Err: &smithy.GenericAPIError{Code: code, Message: "no"}}
}

// TestExitCodes checks every type of error that reaches the command line, alone and
// wrapped.
func TestExitCodes(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	network := &api.NetworkError{Host: "sts.us-east-1.amazonaws.com", Err: refused}
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"nil":                            {nil, 0},
		"stack not found":                {&stack.NotFoundError{}, 1},
		"any error":                      {errors.New("it failed"), 1},
		"standard output is full":        {&writeError{syscall.ENOSPC}, 1},
		"no stack":                       {&noStackError{stack.ErrNotFound}, 1},
		"wrong prices":                   {&cost.PricesError{}, 3},
		"missing prices":                 {&cost.MissingError{}, 1},
		"no log group":                   {&noLogError{"x"}, 1},
		"no output ApiEndpoint":          {&noEndpointError{"x", "CREATE_COMPLETE"}, 1},
		"no output SqlPolicyArn":         {&noSQLError{"x", "CREATE_COMPLETE"}, 1},
		"log denied":                     {&logDeniedError{"x", &smithy.GenericAPIError{Code: "AccessDeniedException"}}, 4},
		"doctor found something":         {errNotReady, 1},
		"diff found something":           {errDiffers, 1},
		"not every event accepted":       {&sentError{refused: 1}, 1},
		"accepted events missing":        {&send.MissingError{Missing: 1}, 1},
		"events not kept":                {&send.UnkeptError{Events: 1, Err: syscall.ENOSPC}, 1},
		"unreadable input":               {&send.InputError{Name: "x", Err: syscall.EIO}, 1},
		"no event":                       {&send.BadError{Err: errors.New("no JSON")}, 1},
		"no source":                      {artifact.ErrNoSource, 1},
		"the API fails":                  {&problemError{status: http.StatusServiceUnavailable}, 1},
		"network":                        {network, 1},
		"network under credentials":      {&api.CredentialsError{Err: network}, 1},
		"network while logging in":       {loginError(fmt.Errorf("get identity: %w", network)), 1},
		"local: port taken":              {&local.PortError{Flag: "--port"}, 1},
		"local: damage":                  {&local.DamageError{}, 1},
		"local: folder":                  {&local.FolderError{}, 1},
		"local: system":                  {&local.SystemError{}, 1},
		"local: superuser":               {&local.SuperuserError{}, 1},
		"local: records unread":          {&local.UnreadError{}, 1},
		"local: no program":              {&daemon.NotFoundError{}, 1},
		"deploy: function":               {&deploy.FunctionError{}, 1},
		"deploy: endless list":           {&stack.PagesError{}, 1},
		"deploy: drain":                  {&pipeline.DrainError{}, 1},
		"deploy: filled again":           {&bucket.RefilledError{}, 1},
		"task failed":                    {&taskError{}, 1},
		"task denied":                    {&taskError{contract.Problem{Kind: contract.ProblemDenied}}, 4},
		"another job is running":         {&taskError{contract.Problem{Kind: contract.ProblemBusy}}, 7},
		"job interrupted by an error":    {&jobInterruptedError{err: errors.New("no")}, 1},
		"job interrupted":                {&jobInterruptedError{}, 6},
		"lines remain in quarantine":     {&remainsError{}, 8},
		"usage":                          {&usageError{err: errors.New("no")}, 2},
		"variables":                      {&config.InvalidError{}, 3},
		"template":                       {&invalidError{errors.New("no")}, 3},
		"credentials":                    {&credentialsError{err: errors.New("no")}, 4},
		"no MFA code":                    {&credentialsError{err: &mfaError{"arn"}}, 4},
		"credentials for the API":        {&api.CredentialsError{Err: errors.New("no")}, 4},
		"deploy: credentials":            {&deploy.CredentialsError{Err: errors.New("no")}, 4},
		"another account":                {&deploy.AccountError{}, 4},
		"the API rejects a value":        {&problemError{status: http.StatusBadRequest}, 2},
		"the API forbids":                {&problemError{status: http.StatusForbidden}, 4},
		"the API doesn't know":           {&problemError{status: http.StatusUnauthorized}, 4},
		"events forbidden":               {&send.RefusedError{Status: http.StatusForbidden}, 4},
		"events too large":               {&send.RefusedError{Status: http.StatusRequestEntityTooLarge}, 1},
		"metrics forbidden":              {&readDeniedError{}, 4},
		"deploy: failed":                 {&stack.FailedError{}, 5},
		"deploy: state":                  {&stack.StateError{}, 5},
		"declined":                       {errDeclined, 6},
		"declined with a reason":         {&declinedError{}, 6},
		"a failed statement":             {&statementError{&pgconn.PgError{Code: "22012"}}, 1},
		"SQL without the permission":     {&sqlError{sqlproxy.NewError("42501", "no", ""), rejectedBy("AccessDeniedException")}, 4},
		"SQL without a free execution":   {&sqlError{sqlproxy.NewError("53300", "no", ""), rejectedBy("TooManyRequestsException")}, 1},
		"interrupted":                    {&canceledError{"query", context.Canceled}, 6},
		"interrupted while rejected":     {&canceledError{"query", rejectedBy("AccessDenied")}, 6},
		"send interrupted":               {&sendInterruptedError{}, 6},
		"deploy: canceled":               {&stack.CanceledError{}, 6},
		"deploy: left running":           {&stack.LeftRunningError{}, 6},
		"deploy: protected":              {&deploy.ProtectedError{}, 6},
		"deploy: locked":                 {&deploy.LockedError{}, 6},
		"deploy: replaces":               {&stack.ReplaceError{}, 6},
		"deploy: busy":                   {&stack.BusyError{}, 7},
		"deploy: step denied":            {&deploy.DeniedStepError{Err: rejectedBy("AccessDenied")}, 4},
		"deploy: step can't be skipped":  {&deploy.SkipError{}, 2},
		"deploy: resource busy":          {&stack.BusyResourceError{}, 7},
		"deploy: foreign database":       {&database.ForeignError{}, 6},
		"something left":                 {errLeftBehind, 8},
		"AWS: access denied":             {rejectedBy("AccessDenied"), 4},
		"AWS: access denied (JSON)":      {rejectedBy("AccessDeniedException"), 4},
		"AWS: unauthorized (EC2)":        {rejectedBy("UnauthorizedOperation"), 4},
		"AWS: expired":                   {rejectedBy("ExpiredToken"), 4},
		"AWS: expired (JSON)":            {rejectedBy("ExpiredTokenException"), 4},
		"AWS: request expired":           {rejectedBy("RequestExpired"), 4},
		"AWS: unknown key":               {rejectedBy("InvalidClientTokenId"), 4},
		"AWS: unknown key (S3)":          {rejectedBy("InvalidAccessKeyId"), 4},
		"AWS: unknown key (EC2)":         {rejectedBy("AuthFailure"), 4},
		"AWS: unknown key (JSON)":        {rejectedBy("UnrecognizedClientException"), 4},
		"AWS: unknown token (S3)":        {rejectedBy("InvalidToken"), 4},
		"AWS: wrong secret":              {rejectedBy("SignatureDoesNotMatch"), 4},
		"AWS: wrong secret (JSON)":       {rejectedBy("InvalidSignatureException"), 4},
		"AWS: half a signature":          {rejectedBy("IncompleteSignature"), 4},
		"AWS: half a signature (JSON)":   {rejectedBy("IncompleteSignatureException"), 4},
		"AWS: skewed clock":              {rejectedBy("RequestTimeTooSkewed"), 4},
		"AWS: skewed clock (EC2)":        {rejectedBy("RequestInTheFuture"), 4},
		"AWS: no token":                  {rejectedBy("MissingAuthenticationToken"), 4},
		"AWS: no token (JSON)":           {rejectedBy("MissingAuthenticationTokenException"), 4},
		"AWS: region not enabled":        {rejectedBy("OptInRequired"), 4},
		"AWS: throttled":                 {rejectedBy("ThrottlingException"), 1},
		"AWS: anything":                  {rejectedBy("ValidationError"), 1},
		"failed, and can't be explained": {errors.Join(&stack.FailedError{}, rejectedBy("AccessDenied")), 4},
		"usage before credentials":       {errors.Join(rejectedBy("AccessDenied"), &usageError{err: errors.New("no")}), 2},
	} {
		for _, err := range []error{test.err, wrapped(test.err), errors.Join(errors.New("first"), test.err)} {
			if test.err == nil && err != nil {
				continue
			}
			if got := exitCode(err); got != test.want {
				t.Errorf("%s: exit code of %v is %d, want %d", name, err, got, test.want)
			}
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("describe stack x: %w", err)
}

// TestCredentialsHints checks the hint of every code that rejects credentials, in the
// response to any call.
func TestCredentialsHints(t *testing.T) {
	for _, code := range []string{"ExpiredToken", "RequestTimeTooSkewed", "InvalidClientTokenId", "IncompleteSignature"} {
		if hint(wrapped(rejectedBy(code))) == "" {
			t.Errorf("%s: no hint", code)
		}
	}
	if got := hint(rejectedBy("ValidationError")); got != "" {
		t.Errorf("ValidationError: %q", got)
	}
}
