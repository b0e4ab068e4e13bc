package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/client"
	"github.com/streamctl/streamctl/internal/send"
	"github.com/streamctl/streamctl/internal/traffic"
)

type sendOptions struct {
	api apiOptions

	user, kind, properties string // one event, by flags
	format                 string
	rejects                string

	rate    float64
	total   int
	length  time.Duration
	users   int
	profile string
	seed    uint64
	start   string

	batch, concurrency int
	linger, retryFor   time.Duration
	verify             bool
	patience           time.Duration
}

func newSendCmd(a *App) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [file]",
		Short: "Send events: from flags, a file, standard input, or generated ones.",
		Long: `send brings events to the stack's API, signed with your AWS credentials, or to
--url. They come from a file (- is standard input) of newline-delimited JSON or
JSON, from flags (--user, --type, --properties), or are generated: sessions of a
shop's or an app's users, with --rate, --count or --for.

Events without eventId and timestamp get both before the first try, so that what
is tried again counts once. What can't be accepted is kept in <file>.rejected, and
what got no answer in <file>.unsent: send that file to go on.`,
		Example: `  streamctl send events.ndjson
  streamctl send --user user123 --type page_view --properties '{"page": "/dashboard"}'
  streamctl send --url http://127.0.0.1:8080 --rate 1000 --for 30s --profile shop --verify`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			generated := false
			for _, name := range []string{"rate", "count", "for", "users", "profile", "seed", "start"} {
				generated = generated || cmd.Flags().Changed(name)
			}
			return runSend(cmd.Context(), a, o, args, generated)
		},
	}
	f := cmd.Flags()
	o.api.flags(f)
	f.StringVar(&o.user, "user", "", "one event: its userId")
	f.StringVar(&o.kind, "type", "", "one event: its eventType")
	f.StringVar(&o.properties, "properties", "{}", "one event: its properties, a JSON object")
	f.StringVar(&o.format, "format", "auto", "of the input: ndjson, json, or auto (json for *.json, else ndjson)")
	f.StringVar(&o.rejects, "rejects", "", "beginning of the names of the files that keep what wasn't accepted (default: the input's name, or ./stdin)")
	f.Float64Var(&o.rate, "rate", 0, "events a second; 0 is as many as are answered")
	f.IntVar(&o.total, "count", 0, "generate this many events")
	f.DurationVar(&o.length, "for", 0, "generate events for this long")
	f.IntVar(&o.users, "users", 10000, "generate: how many users there are")
	f.StringVar(&o.profile, "profile", "shop", "generate: "+strings.Join(traffic.Profiles(), " or "))
	f.Uint64Var(&o.seed, "seed", 0, "generate: the same events for the same seed; 0 is another each time")
	f.StringVar(&o.start, "start", "", "generate: time of the first event, RFC 3339; with --seed and --rate the same identities too (default: now)")
	f.IntVar(&o.batch, "batch", 500, "events in a request, 1 to 500")
	f.IntVar(&o.concurrency, "concurrency", 4, "requests at a time, 1 to 64")
	f.DurationVar(&o.linger, "linger", 100*time.Millisecond, "how long an event waits for others to share its request")
	f.DurationVar(&o.retryFor, "retry-for", 2*time.Minute, "how long an event is tried again")
	f.BoolVar(&o.verify, "verify", false, "wait until all are in the answers of queries, and measure how long that takes")
	f.DurationVar(&o.patience, "verify-for", time.Minute, "with --verify: how long to wait after the last event")
	return cmd
}

// check refuses what can't be meant.
func (o sendOptions) check(args []string, generated bool) error {
	usage := func(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }
	byFlags := o.user != "" || o.kind != ""
	pacedOnly := generated && o.total == 0 && o.length == 0 && (len(args) > 0 || byFlags) // a file with --rate
	sources := 0
	for _, given := range []bool{len(args) > 0, byFlags, generated && !pacedOnly} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return &usageError{err: errors.New("nothing to send"), hint: "name a file, - for standard input, --user and --type for one event, or --count or --for to generate some"}
	case sources > 1:
		return usage("events come from a file, from --user and --type, or are generated: choose one")
	case byFlags && (o.user == "" || o.kind == ""):
		return usage("one event needs both --user and --type")
	case generated && !pacedOnly && o.total == 0 && o.length == 0:
		return &usageError{err: errors.New("generate how many?"), hint: "add --count 1000 or --for 30s"}
	case o.total < 0 || o.length < 0 || o.rate < 0:
		return usage("--count, --for and --rate can't be negative")
	case o.rate != 0 && !(o.rate >= 0.001 && o.rate <= 1e6): // NaN too
		return usage("--rate must be 0, or 0.001 to 1000000 events per second")
	case o.batch < 1 || o.batch > 500:
		return usage("--batch %d: outside 1..500", o.batch)
	case o.concurrency < 1 || o.concurrency > 64:
		return usage("--concurrency %d: outside 1..64", o.concurrency)
	case !slices.Contains([]string{"auto", "json", "ndjson"}, o.format):
		return usage("--format %q: want auto, json or ndjson", o.format)
	case o.start != "" && o.rate == 0:
		return usage("--start needs --rate: it says how far apart the events are")
	}
	return nil
}

// sent is the answer of send.
type sent struct {
	send.Summary
	Verified *send.Verified `json:"verified,omitempty"`
	// RejectedFile and UnsentFile keep what wasn't accepted, where there is any.
	RejectedFile string `json:"rejectedFile,omitempty"`
	UnsentFile   string `json:"unsentFile,omitempty"`
}

func runSend(ctx context.Context, a *App, o sendOptions, args []string, generated bool) (err error) {
	if err := o.check(args, generated); err != nil {
		return err
	}
	in, err := a.input(o, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	api, err := a.api(ctx, o.api, o.concurrency+1)
	if err != nil {
		return err
	}
	reading, cancel := ctx, context.CancelFunc(func() {})
	if o.length > 0 {
		reading, cancel = context.WithTimeout(ctx, o.length)
	}
	defer cancel()
	rejects := &send.File{BadPath: in.name + ".rejected", UnsentPath: in.name + ".unsent"}
	bar := newProgress(a, in.total)
	so := send.Options{
		Client: api, Batch: o.batch, Linger: o.linger, Concurrency: o.concurrency, Rate: o.rate, RetryFor: o.retryFor,
		Rejects: rejects, Now: time.Now, Accepted: bar.add,
	}
	var verifier *send.Verifier
	if o.verify {
		verifier = &send.Verifier{Counter: newCounter(api, time.Now().Add(o.length)), Every: 50 * time.Millisecond}
		if err := verifier.Begin(ctx); err != nil {
			return err
		}
		so.Accepted = func(n int, at time.Time) { bar.add(n, at); verifier.Accepted(n, at) }
	}
	bar.begin(ctx)
	sum, err := send.Run(reading, in.source, so)
	bar.end()
	sum.Interrupted = ctx.Err() != nil
	result := sent{Summary: sum}
	if verifier != nil {
		verified, verifyErr := verifier.Finish(ctx, o.patience)
		result.Verified, err = &verified, errors.Join(err, verifyErr)
	}
	bad, unsent, closeErr := rejects.Close()
	if bad {
		result.RejectedFile = rejects.BadPath
	}
	if unsent {
		result.UnsentFile = rejects.UnsentPath
	}
	return errors.Join(a.answer(result, func() { a.showSent(result) }), err, closeErr, result.failure())
}

// input is where events come from.
type input struct {
	source send.Source
	name   string // of the files that keep what wasn't accepted
	total  int    // 0 where it isn't known
	close  func() error
}

func nothingToClose() error { return nil }

func (a *App) input(o sendOptions, args []string) (input, error) {
	in := input{name: "stdin", close: nothingToClose}
	switch {
	case o.user != "":
		text := fmt.Sprintf(`{"userId":%s,"eventType":%s,"properties":%s}`, quoted(o.user), quoted(o.kind), o.properties)
		source, err := send.Values(strings.NewReader(text), time.Now)
		if err != nil {
			return in, &usageError{err: fmt.Errorf("--properties %s: not a JSON object", o.properties)}
		}
		in.source, in.total, in.name = source, 1, "event"
	case len(args) > 0:
		file := a.Stdin
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return in, &usageError{err: fmt.Errorf("read events: %w", err)}
			}
			file, in.close, in.name = f, f.Close, args[0]
		}
		if o.format == "json" || o.format == "auto" && filepath.Ext(in.name) == ".json" {
			source, err := send.Values(file, time.Now)
			if err != nil {
				return in, errors.Join(fmt.Errorf("read %s: %w", in.name, err), in.close())
			}
			in.source = source
		} else {
			in.source = send.Lines(file, time.Now)
		}
	default:
		g, err := generator(o)
		if err != nil {
			return in, &usageError{err: err}
		}
		in.source, in.total, in.name = g, o.total, "generated"
		if in.total == 0 && o.rate > 0 {
			in.total = int(o.rate * o.length.Seconds())
		}
	}
	if o.rejects != "" {
		in.name = o.rejects
	}
	return in, nil
}

func generator(o sendOptions) (*traffic.Generator, error) {
	t := traffic.Options{Profile: o.profile, Users: o.users, Seed: o.seed, Events: o.total, Now: time.Now}
	if t.Seed == 0 {
		t.Seed = uint64(time.Now().UnixNano())
	}
	if o.start != "" {
		start, err := time.Parse(time.RFC3339, o.start)
		if err != nil {
			return nil, fmt.Errorf("--start %q: want a time such as 2026-01-31T12:00:00Z", o.start)
		}
		t.Start, t.Every = start, time.Duration(float64(time.Second)/o.rate)
	}
	return traffic.New(t)
}

// sentError is a run of which not every event was accepted.
type sentError struct{ refused, unsent int }

func (e *sentError) Error() string {
	return fmt.Sprintf("not all was accepted: %d refused, %d without an answer", e.refused, e.unsent)
}

// Hint is what to do with them.
func (e *sentError) Hint() string {
	if e.unsent > 0 {
		return "what got no answer is kept with its identity: send that file, and nothing counts twice"
	}
	return "the reasons stand above; mend the kept lines and send them"
}

func (s sent) failure() error {
	if s.Refused+s.Unsent > 0 {
		return &sentError{s.Refused, s.Unsent}
	}
	return nil
}

// newCounter counts the events from now to some time after the end.
func newCounter(api *client.Client, end time.Time) send.Counter {
	now := time.Now().UTC()
	from := now.Truncate(time.Minute).Add(-time.Minute)
	to := end.UTC().Truncate(time.Minute).Add(30 * time.Minute)
	return eventCounter{api, "/metrics/events?by=none&step=24h&from=" + from.Format(time.RFC3339) + "&to=" + to.Format(time.RFC3339)}
}

type eventCounter struct {
	api    *client.Client
	target string
}

// Count adds the counts up.
func (c eventCounter) Count(ctx context.Context) (int, error) {
	var body struct{ Points []struct{ Count int } }
	if err := get(ctx, c.api, c.target, &body); err != nil {
		return 0, err
	}
	n := 0
	for _, p := range body.Points {
		n += p.Count
	}
	return n, nil
}
