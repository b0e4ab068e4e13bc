package measure_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	testredis "github.com/streamctl/streamctl/internal/testkit/servers/redis"
)

// peersVariable is a folder with the programs telegraf and benthos. `make bench` builds
// them; tests do without, because they compile for minutes.
const peersVariable = "STREAMCTL_BENCH_PEERS"

// peer is another program that loads events into PostgreSQL.
type peer struct {
	name, table string
	// input is the form of the file with the events.
	input func([]batch) []byte
	args  []string
}

var peers = []peer{
	{"benthos", "events", lines, []string{"-c", "testdata/peers/benthos.yaml"}},
	{"telegraf", "peer_events", array, []string{"--config", "testdata/peers/telegraf.conf", "--non-strict-env-handling", "--once"}},
}

// BenchmarkPeers loads the same events with the processor and with its peers, which read
// them from a file, each with one connection and 2,000 events per transaction. The peers'
// time includes their start.
func BenchmarkPeers(b *testing.B) {
	batches := make([]batch, max(1, bench.Size(b, "STREAMCTL_BENCH_PEER_EVENTS", 2*batchEvents)/batchEvents))
	folder := os.Getenv(peersVariable)
	took := map[string][]time.Duration{}
	loaded := 0
	for round := 0; b.Loop(); round++ {
		src := startSource()
		src.seed += uint64(round * len(batches))
		for i := range batches {
			batches[i] = src.batch(b, 0)
			// Benthos never writes a last batch that is not full.
			batches[i].events = batches[i].events[:batchEvents]
		}
		loaded = len(batches) * batchEvents
		s := newSite(b, src.from, testredis.Client(b, testredis.Start(b)), declared()...)
		invoke := s.invocation(b)
		var ours time.Duration
		for _, in := range batches {
			ours += invoke(in)
		}
		took["processor"] = append(took["processor"], ours)
		if folder == "" {
			continue
		}
		for _, p := range peers {
			took[p.name] = append(took[p.name], p.load(b, filepath.Join(folder, p.name), batches, src))
		}
	}
	figures := []bench.Figure{{Name: "processor, as the peers", Unit: "events/s", Samples: bench.Rates(loaded, took["processor"])}}
	for _, p := range peers {
		if theirs := took[p.name]; len(theirs) > 0 {
			figures = append(figures,
				bench.Figure{Name: p.name, Unit: "events/s", Samples: bench.Rates(loaded, theirs)},
				bench.Figure{Name: "speed beside " + p.name, Samples: bench.Ratios(theirs, took["processor"])})
		}
	}
	bench.Report(b, "peers", figures...)
}

// load runs the peer with a database of its own, and counts what it stored.
func (p peer) load(b *testing.B, program string, batches []batch, src *source) time.Duration {
	b.Helper()
	database := shared.Warehouse(b, src.from, src.from.AddDate(0, 0, 1))
	file := filepath.Join(b.TempDir(), "events")
	if err := os.WriteFile(file, p.input(batches), 0o644); err != nil {
		b.Fatal(err)
	}
	// The master may create a table.
	url := database.MasterURL()
	if p.table == "events" {
		url = database.URL(contract.RoleLoader)
	}
	cmd := exec.CommandContext(b.Context(), program, p.args...)
	cmd.Env = append(os.Environ(), "EVENTS="+file, "DATABASE="+url)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", p.name, err, said.String())
	}
	took := time.Since(begun)
	var stored int
	err := database.Conn(b).QueryRow(b.Context(), "SELECT count(*) FROM "+pgx.Identifier{p.table}.Sanitize()).Scan(&stored)
	if err != nil || stored != len(batches)*batchEvents {
		b.Fatalf("%s stored %d of %d events: %v\n%s", p.name, stored, len(batches)*batchEvents, err, said.String())
	}
	return took
}

// lines returns the events as JSON, one per line.
func lines(batches []batch) []byte { return joined(batches, "\n") }

// array returns the events as one JSON array.
func array(batches []batch) []byte {
	return bytes.Join([][]byte{{'['}, bytes.TrimSuffix(joined(batches, ",\n"), []byte(",\n")), {']'}}, nil)
}

func joined(batches []batch, separator string) []byte {
	var out []byte
	for _, in := range batches {
		for i := range in.events {
			out = append(in.events[i].AppendJSON(out), separator...)
		}
	}
	return out
}
