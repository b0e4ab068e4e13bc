package measure_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	testredis "github.com/streamctl/streamctl/internal/testkit/servers/redis"
)

// lastHour is the brief's query.
const lastHour = `SELECT event_type, COUNT(*) FROM events WHERE timestamp >= NOW() - INTERVAL '1 hour' GROUP BY event_type`

// BenchmarkQuery asks for the events of the last hour by minute and type: from Redis,
// from PostgreSQL's rollups, and beside the brief's SQL over the events.
func BenchmarkQuery(b *testing.B) {
	src := source{seed: 1, from: time.Now().UTC().Add(-time.Hour).Truncate(time.Minute), length: 59 * time.Minute}
	client := testredis.Client(b, testredis.Start(b))
	s := newSite(b, src.from, client)
	invoke := s.invocation(b)
	loaded := bench.Size(b, "STREAMCTL_BENCH_QUERY_EVENTS", 20_000)
	recorded := 0 // bytes
	for n := 0; n < loaded; n += batchEvents {
		in := src.batch(b, 0)
		invoke(in)
		recorded += in.bytes
	}
	h, err := query.New(contract.Query{Metrics: "[]"}, query.Deps{
		Cache: cache.New(client, time.Now), Warehouse: s.database.As(b, contract.RoleReader), Clock: pause.Clock{},
		Metrics: &emf.Writer{Out: io.Discard, Stack: "bench"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	ask := func() time.Duration {
		began := time.Now()
		answer, err := h.Handle(b.Context(), events.APIGatewayProxyRequest{PathParameters: map[string]string{"metric": "events"}})
		took := time.Since(began)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer.StatusCode, answer.Body, err)
		}
		return took
	}
	conn := s.connection(b)
	plain := func() time.Duration {
		began := time.Now()
		rows, err := conn.Query(b.Context(), lastHour)
		if err != nil {
			b.Fatal(err)
		}
		types := 0
		for rows.Next() {
			types++
		}
		if err := rows.Err(); err != nil || types < 2 {
			b.Fatal(types, err)
		}
		return time.Since(began)
	}
	var size, events int64
	err = s.database.Conn(b).QueryRow(b.Context(), "SELECT sum(pg_total_relation_size(inhrelid))::bigint, (SELECT count(*) FROM events) FROM pg_inherits WHERE inhparent = 'events'::regclass").Scan(&size, &events)
	if err != nil {
		b.Fatal(err)
	}
	var hits, misses, plains []time.Duration
	for b.Loop() {
		if err := client.FlushDB(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
		misses, hits, plains = append(misses, ask()), append(hits, ask()), append(plains, plain())
	}
	bench.Report(b, "query",
		bench.Figure{Name: "last hour from Redis", Unit: "ms", Samples: bench.Milliseconds(hits)},
		bench.Figure{Name: "last hour from the rollups in PostgreSQL, and filling Redis", Unit: "ms", Samples: bench.Milliseconds(misses)},
		bench.Figure{Name: "the brief's SQL over the events", Unit: "ms", Samples: bench.Milliseconds(plains)},
		bench.Figure{Name: "speed of a hit beside a miss", Samples: bench.Ratios(misses, hits)},
		bench.Figure{Name: "speed of a hit beside the SQL", Samples: bench.Ratios(plains, hits)},
		bench.Figure{Name: "size of an event in PostgreSQL, with indexes", Unit: "bytes", Samples: bench.One(float64(size) / float64(events))},
		bench.Figure{Name: "the same beside its record in the stream", Samples: bench.One(float64(size) / float64(recorded))},
	)
}
