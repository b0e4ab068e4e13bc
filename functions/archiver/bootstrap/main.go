// Command bootstrap is the archiver as a Lambda function.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/awsenv"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/pause"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	env, err := contract.LoadArchiver(os.Getenv)
	if err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	cfg, err := awsenv.Config(os.Getenv)
	if err != nil {
		log.Error("environment is incomplete", "err", err)
		os.Exit(1)
	}
	h := &archiver.Handler{
		Objects: archive.Writer{API: awsenv.S3(cfg, os.Getenv), Bucket: env.Bucket, Wait: pause.For},
		Metrics: &emf.Writer{Out: os.Stdout, Stack: env.Stack, Now: time.Now},
		Log:     log.With("stack", env.Stack),
	}
	lambdarun.Start(lambdarun.Stream(h.Handle), h.Metrics, h.Log)
}
