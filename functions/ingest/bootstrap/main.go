// Command bootstrap is ingest as a Lambda function.
package main

import (
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awsenv"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/pause"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	env, err := contract.LoadIngest(os.Getenv)
	if err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	cfg, err := awsenv.Config(os.Getenv)
	if err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	h := &ingest.Handler{
		Stream: awsenv.Kinesis(cfg, os.Getenv), StreamName: env.Stream, MaxAgeDays: env.EventMaxAgeDays,
		Now: time.Now, Random: rand.Reader, Wait: pause.For,
		Metrics: &emf.Writer{Out: os.Stdout, Stack: env.Stack, Now: time.Now},
		Log:     log.With("stack", env.Stack),
	}
	lambdarun.Start(api.AllowOrigins(env.CorsOrigins, h.Handle), h.Metrics, h.Log)
}
