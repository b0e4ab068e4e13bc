package dashboard_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

const ready = `document.querySelector("#connection").dataset.kind === "live" && /\d/.test(document.querySelector("#rate").textContent) &&
	document.querySelectorAll(".bone").length === 0`

func TestPage(t *testing.T) {
	b := startBrowser(t)
	for _, c := range []struct {
		width int64
		theme string
	}{{1280, "light"}, {1280, "dark"}, {390, "light"}, {390, "dark"}} {
		name := fmt.Sprintf("%d-%s", c.width, c.theme)
		o, _ := options(shop())
		s := newSite(t, o)
		b.open(s.server.URL+"/", c.width, 900, c.theme)
		b.shoot(name+"-loading", false)
		b.until(ready)
		b.fits()
		b.shoot(name, true)
		b.do(chromedp.Navigate("about:blank"))
		b.silent()
	}
}
