// Command bootstrap runs query as a Lambda function.
package main

import (
	"os"
	"time"
	_ "time/tzdata" // Lambda's system has no time zones

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/sqlrun"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func main() {
	os.Exit(lambdarun.Run(os.Getenv, os.Stdout, os.Stderr, contract.LoadQuery, open))
}

func open(env contract.Query, r lambdarun.Runtime) (lambda.Handler, error) {
	cache.Quiet()
	db := warehouse.Environment{Database: env.Database, AWS: r.AWS, Getenv: r.Getenv}.Open()
	store := cache.New(cache.FromEnvironment(env.Cache, r.AWS, r.Getenv), time.Now)
	h, err := query.New(env, query.Deps{
		Warehouse: db, Sequences: &warehouse.Sequences{DB: db}, Cache: store, Answers: store,
		Metrics: r.Metrics, Log: r.Log,
	})
	if err != nil {
		return nil, err
	}
	sql := env.Database
	sql.User = contract.RoleSQL
	connect := warehouse.Environment{Database: sql, AWS: r.AWS, Getenv: r.Getenv}.Open().Connect
	server := query.Server{API: invocation.Timed(invocation.JSON(h.Handle), r.Metrics), SQL: &sqlrun.Runner{Connect: connect, Log: r.Log}}
	return lambda.NewHandler(server.Serve), nil
}
