package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/local/gateway"
	"github.com/streamctl/streamctl/internal/local/sigv4"
)

const blank = "                                                                                                                                "

// spaces is a body of n spaces that takes no memory. It blocks before its last
// byte until the channel is closed.
type spaces struct {
	left    int
	stalled *sync.WaitGroup
	finish  <-chan struct{}
}

func (s *spaces) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left == 1 && s.finish != nil {
		s.stalled.Done()
		<-s.finish
		s.finish = nil
	}
	n := min(len(b), s.left)
	if s.finish != nil && n == s.left && n > 1 {
		n--
	}
	for filled := 0; filled < n; {
		filled += copy(b[filled:n], blank)
	}
	s.left -= n
	return n, nil
}

// peak samples the heap until stop is called, which returns the maximum.
func peak() (stop func() uint64) {
	debug.FreeOSMemory()
	var most uint64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(end)
		<-ended
		return most
	}
}

// swallow is a function that decodes the event like the real one.
func swallow(_ context.Context, payload []byte) ([]byte, error) {
	var e echo
	return e.invoke(context.Background(), payload)
}

type outcome struct {
	status     int
	retryAfter string
	err        error
}

// TestLargeBodiesOfManyConnectionsTakeLittleMemory sends 60 large bodies
// concurrently: the heap stays within its limit, a normal request is served
// meanwhile, and each rejected request gets its response and no connection
// reset.
func TestLargeBodiesOfManyConnectionsTakeLittleMemory(t *testing.T) {
	const connections, bound = 60, 256 << 20
	keys := sigv4.NewKeys(sigv4.Credential{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"})
	bomb := zipped(t, strings.Repeat(" ", 64<<20))
	for name, c := range map[string]struct {
		size     int
		chunked  bool
		stall    bool
		keys     *sigv4.Keys
		body     string
		coding   string
		statuses []int
	}{
		"9.9 MB":                     {size: 9_900_000, statuses: []int{413}},
		"9.9 MB, in chunks":          {size: 9_900_000, chunked: true, statuses: []int{413, 503}},
		"9.9 MB without a signature": {size: 9_900_000, keys: keys, statuses: []int{403}},
		"15 MB, in chunks, unsigned": {size: 15_000_000, chunked: true, keys: keys, statuses: []int{403}},
		"4 MB":                       {size: 4_000_000, statuses: []int{202, 503}},
		"4 MB that never end":        {size: 4_000_000, stall: true, statuses: []int{202, 503}},
		"4 MB in chunks, no end":     {size: 4_000_000, stall: true, chunked: true, statuses: []int{202, 503}},
		"60 kB that never end":       {size: 60_000, stall: true, statuses: []int{202}},
		"gzip bombs":                 {body: bomb, coding: "gzip", statuses: []int{413, 503}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(swallow)
			o.Keys, o.Region = c.keys, "us-east-1"
			server := httptest.NewServer(gateway.New(o))
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
			defer client.CloseIdleConnections()
			post := func(body io.Reader, length int64, coding string) outcome {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/events", body)
				if err != nil {
					return outcome{err: err}
				}
				r.ContentLength = length
				if coding != "" {
					r.Header.Set("Content-Encoding", coding)
				}
				resp, err := client.Do(r)
				if err != nil {
					return outcome{err: err}
				}
				_, err = io.Copy(io.Discard, resp.Body)
				return outcome{resp.StatusCode, resp.Header.Get("Retry-After"), errors.Join(err, resp.Body.Close())}
			}
			stop := peak()
			var done, stalled sync.WaitGroup
			finish := make(chan struct{})
			outcomes := make([]outcome, connections)
			for i := range connections {
				var body io.Reader = strings.NewReader(c.body)
				length := int64(len(c.body))
				if c.body == "" {
					s := &spaces{left: c.size}
					if c.stall {
						s.stalled, s.finish = &stalled, finish
						stalled.Add(1)
					}
					body, length = s, int64(c.size)
				}
				if c.chunked {
					length = -1
				}
				done.Go(func() { outcomes[i] = post(body, length, c.coding) })
			}
			if c.stall {
				stalled.Wait() // each has sent all but its last byte
			}
			want := 202
			if c.keys != nil {
				want = 403
			}
			small := post(strings.NewReader(`{"userId":"u","eventType":"x"}`), 30, "")
			if small.status != want || small.err != nil {
				t.Errorf("a normal request at the same time: %+v", small)
			}
			close(finish)
			done.Wait()
			most := stop()
			t.Logf("heap in use: at most %d MB", most>>20)
			if most > bound {
				t.Errorf("the heap took %d MB, more than %d", most>>20, bound>>20)
			}
			counts := map[int]int{}
			for _, got := range outcomes {
				counts[got.status]++
				expected := false
				for _, status := range c.statuses {
					expected = expected || status == got.status
				}
				if got.err != nil || !expected || got.status == 503 && got.retryAfter == "" {
					t.Errorf("status %d, Retry-After %q, %v; want one of %v", got.status, got.retryAfter, got.err, c.statuses)
				}
			}
			t.Logf("statuses: %v", counts)
		})
	}
}
