// Command bootstrap runs the archiver as a Lambda function.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/lambdarun"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadArchiver, open))
}

func open(env contract.Archiver, r lambdarun.Runtime) (lambda.Handler, error) {
	h := archiver.New(env, archiver.Deps{
		Objects: archive.Writer{API: archive.NewClient(r.AWS, r.Getenv), Bucket: env.Bucket},
		Metrics: r.Metrics, Log: r.Log,
	})
	return invocation.Timed(invocation.Stream(h.Handle), r.Metrics), nil
}
