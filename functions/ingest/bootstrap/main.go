// Command bootstrap runs ingest as a Lambda function.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/lambdarun"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadIngest, open))
}

func open(env contract.Ingest, r lambdarun.Runtime) (lambda.Handler, error) {
	parameters := awshttp.Parameters{AWS: r.AWS, Endpoint: awshttp.Endpoint(r.Getenv, "SSM")}
	secret := func(ctx context.Context) (string, error) {
		return parameters.Get(ctx, contract.UserIDParameter(env.Stack))
	}
	h := ingest.New(env, ingest.Deps{Stream: ingest.NewStream(r.AWS, r.Getenv), Secret: secret, Metrics: r.Metrics, Log: r.Log})
	return invocation.Timed(invocation.JSON(h.Handle), r.Metrics), nil
}
