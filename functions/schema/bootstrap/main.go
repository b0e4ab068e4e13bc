// Command bootstrap runs schema as a Lambda function.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/schema"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadSchema, open))
}

// open returns a handler that does not report TimeUsed: a first deploy may use
// all of its time.
func open(env contract.Schema, r lambdarun.Runtime) (lambda.Handler, error) {
	client, err := awshttp.NewClient(r.Getenv)
	if err != nil {
		return nil, err
	}
	login := warehouse.Environment{Database: env.Database, AWS: r.AWS, Getenv: r.Getenv}
	h := schema.New(env, schema.Deps{
		Owner:   func() schema.Warehouse { return login.Open() },
		Master:  func(user, password string) schema.Master { return login.OpenAs(user, password) },
		Respond: schema.Deliver(client, pause.Clock{}), Log: r.Log,
	})
	return lambda.NewHandler(h.Handle), nil
}
