// Command bootstrap is the processor as a Lambda function.
package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/awsenv"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	cache.Quiet()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	env, envErr := contract.LoadProcessor(os.Getenv)
	cfg, cfgErr := awsenv.Config(os.Getenv)
	if err := errors.Join(envErr, cfgErr); err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	h := &processor.Handler{
		Warehouse: warehouse.Environment{Database: env.Database, AWS: cfg, Getenv: os.Getenv}.Open(),
		Cache:     cache.New(cache.FromEnvironment(env.Cache, cfg, os.Getenv), time.Now),
		Objects:   archive.Writer{API: awsenv.S3(cfg, os.Getenv), Bucket: env.Bucket, Wait: pause.For},
		Metrics:   &emf.Writer{Out: os.Stdout, Stack: env.Stack, Now: time.Now},
		Now:       time.Now,
		Log:       log.With("stack", env.Stack),
	}
	lambdarun.Start(lambdarun.Stream(h.Handle), h.Metrics, h.Log)
}
