package chaos

import (
	"context"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// script replaces the product's script that writes minutes by the run's own, if
// it has one.
type script struct{ w *World }

// writerMark is in the first line of the product's script.
const writerMark = "The only script that writes minutes"

// DialHook changes nothing.
func (s script) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook replaces the script of a single command.
func (s script) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.replace(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook replaces the script of a pipeline's commands.
func (s script) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			s.replace(cmd)
		}
		return next(ctx, cmds)
	}
}

func (s script) replace(cmd redis.Cmder) {
	args := cmd.Args()
	if s.w.Variants.Script == "" || len(args) < 2 || cmd.Name() != "eval" {
		return
	}
	if text, ok := args[1].(string); ok && strings.Contains(text, writerMark) {
		args[1] = s.w.Variants.Script
	}
}
