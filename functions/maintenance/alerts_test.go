package maintenance_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// shelf is an archive of which only the keys matter.
type shelf struct {
	objects []archive.Stored
	listed  int
}

func (s *shelf) Objects(_ context.Context, hour time.Time) (out []archive.Stored, _ error) {
	s.listed++
	for _, o := range s.objects {
		if o.Hour.Equal(hour) {
			out = append(out, o)
		}
	}
	return out, nil
}

func (*shelf) Records(context.Context, archive.Stored) ([]archive.ArchivedRecord, error) {
	return nil, nil
}

// watch is a platform with alerts, and a clock that the test moves.
type watch struct {
	t        *testing.T
	database *postgres.Database
	cache    *cache.Cache
	shelf    shelf
	metrics  metrics
	handler  *handler
	start    time.Time
	now      time.Time
	seq      int
	notified []string
}

func newWatch(t *testing.T) *watch {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Minute)
	w := &watch{t: t, start: start, now: start, metrics: metrics{}}
	w.database = shared.Warehouse(t, start.AddDate(0, 0, -8), start.AddDate(0, 0, 1))
	w.cache = cache.New(redis.Client(t, redis.Start(t)), func() time.Time { return w.now })
	return w
}

// declare starts a new execution of the function with alerts.
func (w *watch) declare(definitions ...alert.Definition) {
	w.t.Helper()
	text, err := alert.Encode(definitions)
	if err != nil {
		w.t.Fatal(err)
	}
	w.handler = &handler{maintenance.New(contract.Maintenance{EventMaxAgeDays: 2, Alerts: text}, maintenance.Deps{
		Warehouse: maintenance.On(w.database.As(w.t, contract.RoleOwner)), Cache: w.cache, Archive: &w.shelf,
		Clock: pause.Clock{Time: func() time.Time { return w.now }}, Metrics: w.metrics, Log: slog.New(slog.DiscardHandler),
		Notify: func(_ context.Context, _ []warehouse.Alert, changes []warehouse.AlertChange) {
			for _, c := range changes {
				w.notified = append(w.notified, fmt.Sprintf("%s %s %d", c.Name, c.State, int(c.At.Sub(w.start)/time.Minute)))
			}
		},
	})}
}

// load loads n events of a minute after the start. Their record is archived too.
func (w *watch) load(n, minute int) {
	w.t.Helper()
	w.seq++
	seq := fmt.Sprintf("%020d", w.seq)
	at := w.start.Add(time.Duration(minute) * time.Minute)
	rows := make([]warehouse.Row, n)
	for i := range rows {
		rows[i] = warehouse.Row{Event: event.Event{ID: uuid.New(), UserID: "u", Type: "view", Timestamp: at, Properties: []byte("{}")}, ReceivedAt: at, ArrivedAt: at, Seq: seq, I: i}
	}
	_, err := w.database.As(w.t, contract.RoleLoader).Load(w.t.Context(), warehouse.Chunk{Shard: "s", FirstSeq: seq, LastSeq: seq, Arrived: at, Records: 1,
		Decode: func(int) ([]warehouse.Row, []warehouse.Rejected) { return rows, nil }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.archive(seq, at)
}

func (w *watch) archive(seq string, at time.Time) {
	w.shelf.objects = append(w.shelf.objects, archive.Stored{Hour: at.Truncate(time.Hour), Shard: "s", First: seq, Last: seq})
}

// refresh runs maintenance at a time after the start, in minutes.
func (w *watch) refresh(minute float64) {
	w.t.Helper()
	w.now = w.start.Add(time.Duration(minute * float64(time.Minute)))
	if err := w.handler.Handle(w.t.Context(), contract.MaintenanceTask{Task: contract.TaskRefresh}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watch) want(changes ...string) {
	w.t.Helper()
	if !cmp.Equal(w.notified, changes) {
		w.t.Errorf("changes %q, want %q", w.notified, changes)
	}
	w.notified = nil
}

func TestAlertFiresHoldsAndClears(t *testing.T) {
	w := newWatch(t)
	many := alert.Definition{Name: "many", WindowMinutes: 1, Above: new(5.0), ForMinutes: 2}
	w.declare(many)
	for m := 2; m <= 5; m++ {
		w.load(10, m)
	}
	w.load(1, 6)
	w.refresh(2.5) // evaluates the minute that ends at 1
	w.want("many ok 1")
	w.refresh(4.2)
	w.want("many pending 3")
	w.refresh(4.9) // nothing new
	w.want()
	w.declare(many) // another execution
	w.refresh(6.1)
	w.want("many firing 5")
	if w.metrics[contract.AlertMetric("many")] != 1 {
		t.Errorf("metrics %v, want 1", w.metrics)
	}
	w.refresh(8.1)
	w.want("many ok 7")
	if w.metrics[contract.AlertMetric("many")] != 0 {
		t.Errorf("metrics %v, want 0", w.metrics)
	}
	if w.shelf.listed != 0 {
		t.Errorf("the archive was listed %d times for an alert about many events", w.shelf.listed)
	}
}

// TestMissedMinutes evaluates what happened while maintenance was off.
func TestMissedMinutes(t *testing.T) {
	w := newWatch(t)
	w.declare(alert.Definition{Name: "many", WindowMinutes: 1, Above: new(5.0)})
	w.refresh(2)
	w.want("many ok 1")
	w.load(10, 5)
	w.load(10, 12)
	w.refresh(22)
	w.want("many firing 6", "many ok 7", "many firing 13", "many ok 14")
	changes, err := w.database.As(t, contract.RoleReader).AlertChanges(t.Context(), w.start)
	if err != nil || len(changes) != 5 || changes[1].State != alert.Firing || *changes[1].Value != 10 {
		t.Errorf("%+v, %v, want five changes", changes, err)
	}
}

// TestUnloadedMinutesAreNotAbsent lets the processor lag: the archive has records that
// are not loaded.
func TestUnloadedMinutesAreNotAbsent(t *testing.T) {
	w := newWatch(t)
	w.declare(alert.Definition{Name: "none", WindowMinutes: 3, Absent: true})
	w.load(1, 0)
	w.refresh(2)
	w.want("none ok 1")
	w.archive("00000000000000000009", w.start.Add(2*time.Minute)) // not loaded
	w.refresh(30)
	w.want() // the loader stopped at 0: later minutes are unknown
	delete(w.metrics, contract.AlertMetric("none"))
	w.refresh(31)
	if _, ok := w.metrics[contract.AlertMetric("none")]; ok {
		t.Error("an unknown state was emitted")
	}
	w.seq = 8
	w.load(1, 2) // now it is loaded
	w.refresh(32)
	w.want("none firing 6")
}

// TestLateEvents loads events of a minute after its evaluation: windows that include the
// minute see them, and the past does not change.
func TestLateEvents(t *testing.T) {
	w := newWatch(t)
	w.declare(alert.Definition{Name: "few", WindowMinutes: 3, Below: new(3.0)})
	w.load(3, 0)
	w.refresh(2)
	w.want("few ok 1")
	w.refresh(5)
	w.want("few firing 4")
	w.load(3, 3) // late
	w.refresh(6)
	w.want("few ok 5")
}

func TestChangedDefinitions(t *testing.T) {
	w := newWatch(t)
	w.load(10, 1)
	many := alert.Definition{Name: "many", WindowMinutes: 1, Above: new(5.0)}
	other := alert.Definition{Name: "other", WindowMinutes: 1, Above: new(50.0)}
	w.declare(many, other)
	w.refresh(3)
	w.want("many firing 2", "other ok 2")
	many.Above = new(20.0)
	w.declare(many)
	w.refresh(4)
	w.want("many ok 3")
	stored, err := w.database.As(t, contract.RoleReader).Alerts(t.Context())
	if err != nil || len(stored) != 1 || *stored[0].Definition.Above != 20 {
		t.Errorf("%+v, %v, want the changed alert", stored, err)
	}
	w.declare()
	w.refresh(5)
	if stored, err := w.database.As(t, contract.RoleReader).Alerts(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("%+v, %v, want no alert", stored, err)
	}
}
