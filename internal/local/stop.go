package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// stopTime is the timeout of each step of Stop that waits for something else.
const stopTime = 15 * time.Second

// UnreadError is a stop before all records were handled. They remain in the
// stream.
type UnreadError struct {
	Loading, Archiving int
	// Unreadable explains why some records can't be read; nil if all can.
	Unreadable error
}

func (e *UnreadError) Error() string {
	text := fmt.Sprintf("stopped with %d records to load and %d to archive", e.Loading, e.Archiving)
	if e.Unreadable != nil {
		text += ": " + e.Unreadable.Error()
	}
	return text
}

func (e *UnreadError) Hint() string {
	if e.Unreadable != nil {
		return "the next start verifies the stream's files and lists the records that can't be read, if any"
	}
	return "the records are safe in the stream; the next start resumes with them"
}

// Stop stops accepting requests, waits until every accepted event is loaded and
// archived, and ends everything that Start started. If ctx ends first, it stops
// immediately and returns an *UnreadError. An ephemeral platform does not wait.
func (p *Platform) Stop(ctx context.Context) error {
	var errs []error
	for _, server := range p.servers {
		errs = append(errs, shutDown(ctx, server))
	}
	if err := p.drain(ctx); err != nil {
		errs = append(errs, err)
	}
	atOnce := ctx.Err() != nil
	if p.stopReading != nil {
		p.stopReading()
		p.work.Wait()
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	for _, m := range p.mappings {
		errs = append(errs, m.checkpoints.save())
	}
	if p.functions != nil {
		_ = p.functions.Close(ending) // connections, which close with the servers at the latest
	}
	if p.stream != nil {
		errs = append(errs, p.stream.Close())
	}
	if p.stores != nil {
		errs = append(errs, p.stores.close(ending, atOnce))
	}
	if p.rejections != nil {
		errs = append(errs, p.rejections.Close())
	}
	if p.logged != nil {
		errs = append(errs, p.logged.Close())
	}
	if p.state != nil {
		errs = append(errs, p.state.close())
		if p.o.Ephemeral {
			errs = append(errs, removeEphemeral(p.o.Dir))
		}
	}
	return errors.Join(errs...)
}

// shutDown waits for running requests.
func shutDown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// stuckTime is how long a stop waits when a shard can't be read and no other
// progress is made.
const stuckTime = 5 * time.Second

// drain waits until both mappings have read the whole stream.
func (p *Platform) drain(ctx context.Context) error {
	if len(p.mappings) < 2 || p.o.Ephemeral {
		return nil
	}
	before, since := UnreadError{}, time.Now()
	for {
		s := p.Status()
		now := UnreadError{Loading: s.Loading.Unread, Archiving: s.Archiving.Unread}
		if now.Loading == 0 && now.Archiving == 0 {
			return nil
		}
		if now != before {
			before, since = now, time.Now()
		}
		unreadable := errors.Join(p.stream.Troubles()...)
		if unreadable != nil && time.Since(since) > stuckTime || pause.For(ctx, poll) != nil {
			now.Unreadable = unreadable
			return &now
		}
	}
}

// removeEphemeral removes the data folder's content, and the folder unless it
// contains anything else.
func removeEphemeral(dir string) error {
	left, err := removeOwn(dir)
	if err != nil || len(left) > 0 {
		return err
	}
	return os.Remove(dir)
}
