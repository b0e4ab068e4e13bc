// Command bootstrap runs the processor as a Lambda function.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadProcessor, open))
}

func open(env contract.Processor, r lambdarun.Runtime) (lambda.Handler, error) {
	cache.Quiet()
	h := processor.New(env, processor.Deps{
		Warehouse: warehouse.Environment{Database: env.Database, AWS: r.AWS, Getenv: r.Getenv}.Open(),
		Cache:     cache.New(cache.FromEnvironment(env.Cache, r.AWS, r.Getenv), time.Now),
		Objects:   archive.Writer{API: archive.NewClient(r.AWS, r.Getenv), Bucket: env.Bucket},
		Metrics:   r.Metrics, Log: r.Log,
	})
	return invocation.Timed(invocation.Stream(h.Handle), r.Metrics), nil
}
