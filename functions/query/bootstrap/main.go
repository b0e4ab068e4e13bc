// Command bootstrap is query as a Lambda function.
package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awsenv"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	cache.Quiet()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	env, envErr := contract.LoadQuery(os.Getenv)
	definitions, metricsErr := metric.Decode(env.Metrics)
	cfg, cfgErr := awsenv.Config(os.Getenv)
	if err := errors.Join(envErr, metricsErr, cfgErr); err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	h := &query.Handler{
		Warehouse:   warehouse.Environment{Database: env.Database, AWS: cfg, Getenv: os.Getenv}.Open(),
		Cache:       cache.New(cache.FromEnvironment(env.Cache, cfg, os.Getenv), time.Now),
		Definitions: definitions,
		Now:         time.Now,
		Metrics:     &emf.Writer{Out: os.Stdout, Stack: env.Stack, Now: time.Now},
		Log:         log.With("stack", env.Stack),
	}
	lambdarun.Start(api.AllowOrigins(env.CorsOrigins, h.Handle), h.Metrics, h.Log)
}
