package cli

import (
	"cmp"
	"context"

	"github.com/streamctl/streamctl/internal/pause"
)

// clearScreen moves to the top left corner and erases the screen.
const clearScreen = "\x1b[H\x1b[2J"

// keepRefreshing reads and prints a result again and again until ctx ends, which is no
// error. It does nothing without a terminal, unless the user chose an interval.
func keepRefreshing(ctx context.Context, a *App, o statusOptions, read func(context.Context) (show func(), err error)) error {
	_, onTerminal := terminal(a.Stdout)
	onTerminal = onTerminal && a.Getenv("TERM") != "dumb"
	if a.flags.output != "text" || !onTerminal && o.every == 0 {
		return nil
	}
	for {
		if pause.For(ctx, cmp.Or(o.every, defaultEvery)) != nil {
			return nil
		}
		show, err := read(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.notef("The status can't be refreshed: %s; trying again", message(err))
			continue
		case onTerminal:
			if err := a.out.Raw(clearScreen); err != nil {
				return &writeError{err}
			}
		default:
			a.printf("\n")
		}
		show()
		if err := a.out.Err(); err != nil {
			return &writeError{err}
		}
	}
}
