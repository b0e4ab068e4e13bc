package dashboard_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// downloads saves the files of a tab's downloads in a folder, and returns the names of
// those that are complete.
func (b *browser) downloads(dir string) <-chan string {
	b.t.Helper()
	done := make(chan string, 10)
	names := map[string]string{}
	chromedp.ListenBrowser(b.ctx, func(event any) {
		switch e := event.(type) {
		case *cdpbrowser.EventDownloadWillBegin:
			names[e.GUID] = e.SuggestedFilename
		case *cdpbrowser.EventDownloadProgress:
			if name := names[e.GUID]; name != "" && e.State == cdpbrowser.DownloadProgressStateCompleted {
				done <- name
			}
		}
	})
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		info, err := target.GetTargetInfo().Do(ctx)
		if err != nil {
			return err
		}
		return cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithBrowserContextID(info.BrowserContextID).
			WithDownloadPath(dir).WithEventsEnabled(true).Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	}))
	return done
}

var groupedNumber = regexp.MustCompile(`^-?\d{1,3}(,\d{3})+(\.\d+)?$`)

// TestDownloads saves the file of each question with the button, under the page's
// Content-Security-Policy, and compares it with the table on the page.
func TestDownloads(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, _ := newQuestions(t)
	dir := t.TempDir()
	done := b.downloads(dir)
	for _, tab := range questionTabs {
		b.open(s.server.URL+"/"+tab.hash, 1280, 900, "light")
		panel := "#panel-" + tab.tab
		b.until(fmt.Sprintf(`%s.includes("Download CSV")`, text("panel-"+tab.tab)))
		b.do(chromedp.Evaluate(`document.querySelector("`+panel+` .more details").open = true`, nil))
		shown := js[[][]string](b, `[...document.querySelectorAll("`+panel+` .more details table tr")].map((r) => [...r.cells].map((c) => c.textContent))`)
		b.tabTo(focus + `.textContent === "Download CSV" && ` + focus + `.closest("` + panel + `") !== null`)
		b.do(chromedp.KeyEvent(kb.Enter))
		var name string
		select {
		case name = <-done:
		case <-time.After(patience):
			b.silent()
			t.Fatalf("%s: no file", tab.tab)
		}
		if name != tab.tab+"-2026-11-27.csv" {
			t.Errorf("the file is %s", name)
		}
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		saved, err := csv.NewReader(file).ReadAll()
		if closeErr := file.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		for i, row := range shown {
			for j, cell := range row {
				if groupedNumber.MatchString(cell) {
					cell = strings.ReplaceAll(cell, ",", "")
				}
				if cell == "\u2013" {
					cell = ""
				}
				shown[i][j] = cell
			}
		}
		for i := range saved {
			for j := range saved[i] {
				saved[i][j] = strings.TrimPrefix(saved[i][j], "'")
			}
		}
		if len(shown) < 3 || !slices.EqualFunc(saved, shown, slices.Equal[[]string]) {
			t.Errorf("%s: saved %q, shown %q", tab.tab, saved, shown)
		}
	}
	b.silent()
}

// TestAllTypes opens the list of more than ten event types with the keyboard, and selects
// the last one.
func TestAllTypes(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	all := shop()
	all.more = 15
	o, _ := options(t, all)
	s := newSite(t, o)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	const rows = `document.querySelectorAll("#types-table tbody tr").length`
	names := `[...document.querySelectorAll("#types-table tbody th")].map((e) => e.innerText.trim())`
	total := js[int](b, `Number(document.querySelector("#types-table > button").innerText.match(/Show all (\d+) types/)[1])`)
	if shown := js[int](b, rows); shown >= total || total < 15 {
		t.Errorf("%d of %d types are shown", shown, total)
	}
	b.tabTo(focus + `.innerText.startsWith("Show all ")`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(fmt.Sprintf(`%s === %d && document.querySelector("#types-table > button").innerText === "Show fewer"`, rows, total))
	if all := js[[]string](b, names); !slices.Contains(all, "more_14") || !slices.Contains(all, "more_0") {
		t.Errorf("the types are %q", all)
	}
	b.fits()
	b.contrast()
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(rows + fmt.Sprintf(` < %d`, total))
	b.silent()
}

// TestLinks opens each question with a custom range in another time zone, and loads the
// page again: it shows the same view and asks the same question.
func TestLinks(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, api := newQuestions(t)
	for _, tab := range []struct{ name, parameters string }{
		{"funnel", "steps=page_view%2C+purchase%7Bamount%3E10%7D&window=2d&by=country&where=plan%3Dpro"},
		{"retention", "start=page_view&return=purchase&unit=day&periods=5"},
		{"sessions", "gap=10m&where=plan%3D%22a+b%22"},
		{"breakdown", "event=purchase&by=country%2Cplan&property=amount"},
		{"paths", "event=purchase&direction=before&depth=2&gap=5m"},
	} {
		link := s.server.URL + "/#tab=" + tab.name + "&" + tab.parameters + "&from=2026-11-02T15%3A00%3A00Z&to=2026-11-09T15%3A00%3A00Z&zone=Asia%2FTokyo"
		b.open(link, 1280, 900, "light")
		b.until(text("panel-"+tab.name) + `.includes("Download CSV")`)
		state := `JSON.stringify([location.href, [...document.querySelectorAll("#panel-` + tab.name + ` :is(input, select)")].map((e) => e.type === "radio" ? e.checked : e.value), document.querySelector("#zone-choice").value, ` + text("panel-"+tab.name) + `.replace(/loaded by [^.]*\./, "")])`
		before, asked := js[string](b, state), api.last()
		for name, want := range map[string]string{"from": "2026-11-02T15:00:00Z", "to": "2026-11-09T15:00:00Z"} {
			if asked.Get(name) != want {
				t.Errorf("%s: asked %v", tab.name, asked)
			}
		}
		if zone := asked.Get("zone"); tab.name == "retention" && zone != "Asia/Tokyo" {
			t.Errorf("asked for the zone %q", zone)
		}
		if !strings.Contains(before, "2026-11-03T00:00") || !strings.HasPrefix(before, `["`+link+`"`) {
			t.Errorf("%s shows %s", tab.name, before)
		}
		b.do(chromedp.Reload())
		b.until(`document.querySelector("#panel-` + tab.name + ` .result") && ` + text("panel-"+tab.name) + `.includes("Download CSV")`)
		if after := js[string](b, state); after != before {
			t.Errorf("%s shows %s, before %s", tab.name, after, before)
		}
		if again := api.last(); again.Encode() != asked.Encode() {
			t.Errorf("%s: asked %v, before %v", tab.name, again, asked)
		}
	}
	b.silent()
}

// TestKeyboard goes through the tabs and asks a question with keys only: fields, range,
// an offered type, the table, and the SQL.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, api := newQuestions(t)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	b.tabTo(focus + `.id === "tab-overview"`)
	for _, tab := range []string{"funnel", "retention", "sessions", "breakdown", "paths", "events", "health"} {
		b.do(chromedp.KeyEvent(kb.ArrowRight))
		b.until(`document.querySelector("#tab-` + tab + `").getAttribute("aria-selected") === "true" && ` + focus + `.id === "tab-` + tab + `" && document.querySelector("#panel-` + tab + `").checkVisibility()`)
	}
	b.do(chromedp.KeyEvent(kb.Home))
	b.until(`document.querySelector("#tab-overview").getAttribute("aria-selected") === "true"`)
	for range 5 {
		b.do(chromedp.KeyEvent(kb.ArrowRight))
	}
	b.tabTo(focus + `.id === "paths-event"`)
	b.tabTo(focus + `.closest("#panel-paths .chips") !== null`)
	b.do(chromedp.KeyEvent(kb.Enter)) // adds the type and moves to its field
	b.until(focus + `.id === "paths-event" && ` + focus + `.value !== ""`)
	b.tabTo(focus + `.id === "paths-direction"`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.tabTo(focus + `.name === "range-paths"`)
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until(text("panel-paths") + `.includes("Download CSV") && location.hash.includes("direction=before") && !location.hash.includes("range=7d")`)
	if asked := api.last(); asked.Get("direction") != "before" || asked.Get("event") == "" {
		t.Errorf("asked %v", asked)
	}
	b.tabTo(focus + `.tagName === "SUMMARY" && ` + focus + `.innerText.startsWith("Show as table")`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#panel-paths .more table").checkVisibility()`)
	b.tabTo(focus + `.tagName === "SUMMARY" && ` + focus + `.innerText.startsWith("SQL")`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(text("panel-paths") + `.includes("FROM people_events")`)
	b.silent()
}

// TestHintsOnThePage shows the hints of an answer, which contain names of senders.
func TestHintsOnThePage(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, api := newQuestions(t)
	api.respond(0, "", `0.5,"limit":"memory","hints":["No event has the type \"<b>x\" in this range. Did you mean page_view?"]`)
	b.open(s.server.URL+"/#tab=sessions", 1280, 900, "light")
	b.until(text("panel-sessions") + `.includes('Check the names. No event has the type "<b>x" in this range. Did you mean page_view?')`)
	b.until(text("panel-sessions") + `.includes("how far counting got in the memory of a request")`)
	b.contrast()
	b.silent()
}
