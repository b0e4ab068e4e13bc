package clients_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/testkit/must"
)

// TestExampleWeb opens the page of examples/web, browses, buys and logs in.
func TestExampleWeb(t *testing.T) {
	node := must.Have(t, "clients-node", "scripts/setup installs it")
	const example = "../../../../examples/web"
	w := start(t)
	script, err := os.ReadFile(filepath.Join(example, "app.js"))
	if err != nil {
		t.Fatal(err)
	}
	settings := strings.NewReplacer("'http://127.0.0.1:8080'", "'"+w.info.API+"'", "'WRITE_KEY'", "'"+w.info.WriteKey+"'").Replace(string(script))
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(example)))
	mux.Handle("/node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir(filepath.Join(filepath.Dir(filepath.Dir(node)), "clients-node", "node_modules")))))
	mux.HandleFunc("/app.js", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(out, settings)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx := w.open(server.URL)
	err = chromedp.Run(ctx,
		chromedp.Click(`a[href="#/shoes"]`), chromedp.Click(`[data-product="P-1"]`), chromedp.Click(`[data-product="P-2"]`), chromedp.Click(`#buy`),
		chromedp.SendKeys(`input[name=user]`, "ann"), chromedp.Click(`#login button`),
	)
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]int{
		"event_type = 'page' AND properties->>'name' IN ('/', '/shoes')": 2,
		"event_type = 'Clicked'":       5,
		"event_type = 'Product Added'": 2,
		"event_type = 'Order Completed' AND properties->'properties'->>'revenue' = '104.4' AND person_id = 'ann'": 1,
		"event_type = 'identify' AND user_id = 'ann'":                                                             1,
		"person_id = 'ann'": 11,
	} {
		w.eventually(what, func() bool { return w.number("SELECT count(*) FROM people_events WHERE "+what) == want })
	}
}
