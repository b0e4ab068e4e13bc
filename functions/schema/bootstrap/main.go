// Command bootstrap is schema as a Lambda function.
package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/schema"
	"github.com/streamctl/streamctl/internal/awsenv"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	env, envErr := contract.LoadSchema(os.Getenv)
	cfg, cfgErr := awsenv.Config(os.Getenv)
	client, clientErr := awsenv.HTTPClient(os.Getenv)
	if err := errors.Join(envErr, cfgErr, clientErr); err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	login := warehouse.Environment{Database: env.Database, AWS: cfg, Getenv: os.Getenv}
	h := &schema.Handler{
		Owner:      func() schema.Warehouse { return login.Open() },
		Master:     func(user, password string) schema.Warehouse { return login.OpenAs(user, password) },
		Answer:     schema.Deliver(client, pause.For),
		MaxAgeDays: env.EventMaxAgeDays, Now: time.Now, Pause: pause.For, Log: log.With("stack", env.Stack),
	}
	lambda.Start(h.Handle)
}
