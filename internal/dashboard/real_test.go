package dashboard_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
)

var database postgres.Shared

// TestRealStores shows events that were loaded into PostgreSQL, through Redis: first
// none, then each event soon after it was loaded.
func TestRealStores(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := database.Warehouse(t, now.AddDate(0, 0, -15), now)
	all := []metric.Definition{{Name: "revenue", EventType: "purchase", Sum: "properties.amount", Max: "properties.amount", By: []string{"properties.country"}}}
	if err := d.As(t, contract.RoleOwner).SetMetrics(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	store := cache.New(redis.Client(t, redis.Start(t)), time.Now)
	loader := processor.New(contract.Processor{}, processor.Deps{Warehouse: d.As(t, contract.RoleLoader), Cache: store, Metrics: noMetrics{}, Log: slog.New(slog.DiscardHandler)})
	seq := 0
	load := func(user, kind, properties string) {
		t.Helper()
		seq++
		at := time.Now().UTC().Truncate(time.Microsecond)
		line := event.Envelope{Event: event.Event{ID: uuid.New(), UserID: user, Type: kind, Timestamp: at, Properties: []byte(properties)}, ReceivedAt: at, RequestID: "r"}.AppendJSON(nil)
		var r events.KinesisEventRecord
		r.EventID, r.Kinesis.SequenceNumber, r.Kinesis.PartitionKey, r.Kinesis.Data = fmt.Sprintf("shardId-000000000000:%d", seq), fmt.Sprint(seq), user, line
		r.Kinesis.ApproximateArrivalTimestamp.Time = at
		if resp, err := loader.Handle(t.Context(), events.KinesisEvent{Records: []events.KinesisEventRecord{r}}); err != nil || len(resp.BatchItemFailures) > 0 {
			t.Fatalf("%+v, %v", resp, err)
		}
	}
	api := &handlerAPI{Handler: newQuery(t, all, query.Deps{
		Cache: store, Warehouse: d.As(t, contract.RoleReader), Metrics: noMetrics{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})}
	s := newSite(t, dashboard.Options{API: api, About: dashboard.About{Title: "local", Metrics: dashboard.Metrics(all)}})
	b := openTab(t)
	b.outage(true) // the missing health data is a network error in the browser
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(`!document.querySelector("#start").hidden`)
	load("anna", "purchase", `{"amount":12345678901234567890.123,"country":"DE"}`)
	b.until(`document.querySelector("#start").hidden`)
	b.until(text("hour") + ` === "1" && ` + text("today") + ` === "1"`)
	load("ben", "purchase", `{"amount":0.877,"country":"FR"}`)
	load("ben", "view", `{}`)
	b.until(text("hour") + ` === "3" && ` + text("today") + ` === "2"`)
	b.until(`document.querySelector("section.metric .big").innerText === "12,345,678,901,234,567,891"`)
	b.until(`document.querySelector("#types-table").innerText.includes("purchase\t67 %\t2")`)
	b.fits()
	b.shoot("real", true)
	b.silent()
}
