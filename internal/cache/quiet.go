package cache

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Quiet stops go-redis from writing to standard error, for the whole program: a
// function's log is JSON, and the call that failed returns the error anyway.
func Quiet() { redis.SetLogger(silence{}) }

type silence struct{}

// Printf discards the line.
func (silence) Printf(context.Context, string, ...any) {}
