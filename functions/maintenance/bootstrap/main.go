// Command bootstrap runs maintenance as a Lambda function.
package main

import (
	"os"
	"time"
	_ "time/tzdata" // Lambda's system has no time zones

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadMaintenance, open))
}

func open(env contract.Maintenance, r lambdarun.Runtime) (lambda.Handler, error) {
	cache.Quiet()
	loader := env.Database
	loader.User = contract.RoleLoader
	objects := archive.NewClient(r.AWS, r.Getenv)
	stored := archive.Reader{API: objects, Bucket: env.Bucket}
	h := maintenance.New(env, maintenance.Deps{
		Warehouse: maintenance.On(warehouse.Environment{Database: env.Database, AWS: r.AWS, Getenv: r.Getenv}.Open()),
		Loader:    warehouse.Environment{Database: loader, AWS: r.AWS, Getenv: r.Getenv}.Open(),
		Cache:     cache.New(cache.FromEnvironment(env.Cache, r.AWS, r.Getenv), time.Now),
		Archive:   stored, Kept: stored, Objects: archive.Writer{API: objects, Bucket: env.Bucket},
		Other: func(bucket string) (maintenance.Archive, error) {
			return archive.Reader{API: objects, Bucket: bucket}, nil
		},
		Metrics: r.Metrics, Log: r.Log,
	})
	return invocation.Timed(invocation.JSON(h.Do), r.Metrics), nil
}
