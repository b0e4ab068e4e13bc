package cache

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Quiet stops go-redis from writing lines of its own to standard error, for the
// whole program: a function's log is JSON, and each of those errors also comes
// back from the call that met it.
func Quiet() { redis.SetLogger(silence{}) }

type silence struct{}

// Printf drops the line.
func (silence) Printf(context.Context, string, ...any) {}
