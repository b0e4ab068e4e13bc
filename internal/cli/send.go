package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/traffic"
)

type sendOptions struct {
	api apiOptions

	user, kind, properties string // one event, by flags
	format                 string
	rejects                string
	fromLine               int

	rate    float64
	total   int
	length  time.Duration
	users   int
	traffic string
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
		Short: "Send events from flags, a file or standard input, or generate events",
		Long: `Send events to the stack's API, signed with your AWS credentials, or to --url. They
come from a file (- is standard input), from flags (--user, --type, --properties), or
are generated: sessions of a shop's or an app's users, with --rate, --count or --for.

A file is JSON in UTF-8 or UTF-16, gzip or not: one event per line, documents over
several lines, arrays, or {"events": [...]}.

Events without eventId and timestamp get both before they are sent, so that a retry is
counted once. Rejected lines are saved in FILE.rejected. Events that were not accepted,
including those that an interrupt left unread, are saved in FILE.unsent with their ids:
send that file to continue. While FILE.unsent exists, FILE is not sent again.`,
		Example: `  streamctl send events.ndjson
  streamctl send --user user123 --type page_view --properties '{"page": "/dashboard"}'
  streamctl send --url http://127.0.0.1:8080 --rate 1000 --for 30s --traffic shop --verify`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			generated := false
			for _, name := range []string{"rate", "count", "for", "users", "traffic", "seed", "start"} {
				generated = generated || cmd.Flags().Changed(name)
			}
			if err := checkTraffic(a, cmd, generated); err != nil {
				return err
			}
			return runSend(cmd.Context(), a, o, args, generated)
		},
	}
	f := cmd.Flags()
	o.api.flags(f)
	f.StringVar(&o.user, "user", "", "userId of a single event")
	f.StringVar(&o.kind, "type", "", "eventType of a single event")
	f.StringVar(&o.properties, "properties", "{}", "properties of a single event, a JSON object")
	f.StringVar(&o.format, "format", "auto", "format of the input: ndjson, json (parsed as a whole before anything is sent), or auto (by its name and first bytes)")
	f.StringVar(&o.rejects, "rejects", "", "prefix of the names of the files with rejected and unsent events (default: the input's name, or ./stdin)")
	f.IntVar(&o.fromLine, "from-line", 1, "first line of the file to send, counted from 1")
	f.Float64Var(&o.rate, "rate", 0, "events per second; 0 sends as fast as the API responds")
	f.IntVar(&o.total, "count", 0, "number of events to generate")
	f.Var((*ui.Duration)(&o.length), "for", "length of time to generate events for, such as 30s or 1d")
	f.IntVar(&o.users, "users", 10000, "number of users of generated events")
	f.StringVar(&o.traffic, "traffic", "shop", "kind of generated events: "+strings.Join(traffic.Profiles(), " or "))
	f.Uint64Var(&o.seed, "seed", 0, "seed of generated events: the same seed gives the same events; 0 picks one")
	f.StringVar(&o.start, "start", "", "time of the first generated event, RFC 3339; with --seed and --rate, ids are the same too (default: now)")
	f.IntVar(&o.batch, "batch", 500, "events per request, 1 to 500")
	f.IntVar(&o.concurrency, "concurrency", 4, "concurrent requests, 1 to 64")
	o.linger, o.retryFor, o.patience = 100*time.Millisecond, 2*time.Minute, time.Minute
	f.Var((*ui.Duration)(&o.linger), "linger", "how long an event waits for others to share its request")
	f.Var((*ui.Duration)(&o.retryFor), "retry-for", "how long to retry an event")
	f.BoolVar(&o.verify, "verify", false, "wait until queries include all events, and measure how long that takes")
	f.Var((*ui.Duration)(&o.patience), "verify-for", "with --verify: how long to wait after the last event")
	return cmd
}

// check rejects invalid combinations of flags.
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
		return &usageError{err: errors.New("the number of events to generate is missing"), hint: "add --count 1000 or --for 30s"}
	case o.total < 0 || o.length < 0 || o.rate < 0:
		return usage("--count, --for and --rate can't be negative")
	case o.rate != 0 && !(o.rate >= 0.001 && o.rate <= 1e6): // NaN too
		return usage("--rate must be 0, or 0.001 to 1000000 events per second")
	case o.batch < 1 || o.batch > 500:
		return usage("--batch %d: outside 1..500", o.batch)
	case o.concurrency < 1 || o.concurrency > 64:
		return usage("--concurrency %d: outside 1..64", o.concurrency)
	case o.fromLine < 1 || o.fromLine > 1 && len(args) == 0:
		return usage("--from-line must be at least 1, and needs a file")
	case !slices.Contains([]string{"auto", "json", "ndjson"}, o.format):
		return usage("--format %q: want auto, json or ndjson", o.format)
	case o.start != "" && o.rate == 0:
		return usage("--start needs --rate, which sets the interval between events")
	}
	return nil
}

// checkTraffic rejects a kind of traffic that was given to --profile, which is the
// profile of the AWS configuration.
func checkTraffic(a *App, cmd *cobra.Command, generated bool) error {
	if generated && !cmd.Flags().Changed("traffic") && slices.Contains(traffic.Profiles(), a.flags.profile) {
		return &usageError{err: fmt.Errorf("--profile %s: --profile is a profile of the AWS configuration", a.flags.profile),
			hint: "the kind of traffic is --traffic " + a.flags.profile}
	}
	return nil
}
