package dashboard_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// patience is the longest wait for something to appear.
const patience = 20 * time.Second

// browser is one Chromium for a test, and what it complained of.
type browser struct {
	ctx context.Context
	t   *testing.T

	mu   sync.Mutex
	said []string
	// networkMayFail says that a server is away on purpose.
	networkMayFail bool
}

// chromium finds the browser, under the names that it has.
func chromium(t *testing.T) string {
	for _, path := range []string{"google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return must.Have(t, "chromium", "scripts/setup installs it")
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("lang", "en"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{ctx: ctx, t: t}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until it has ended
			t.Logf("end browser: %v", err)
		}
		cancel()
		stop()
	})
	chromedp.ListenTarget(ctx, b.listen)
	b.do(cdplog.Enable(), runtime.Enable())
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.said = append(b.said, fmt.Sprint(e.Type, " ", e.Args))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Source == cdplog.SourceNetwork && b.networkMayFail {
			return
		}
		b.said = append(b.said, fmt.Sprint(e.Entry.Level, " ", e.Entry.Text, " ", e.Entry.URL))
	}
}

func (b *browser) outage(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.networkMayFail = on
}

// silent fails the test for each complaint.
func (b *browser) silent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		b.t.Errorf("the browser says %s", said)
	}
	b.said = nil
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open shows a page at a size and in a theme.
func (b *browser) open(url string, width, height int64, theme string) {
	b.t.Helper()
	b.do(
		chromedp.EmulateViewport(width, height),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}),
		chromedp.Navigate("about:blank"), chromedp.Navigate(url),
	)
}

// js evaluates an expression into a value.
func js[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &value))
	return value
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var ok bool
	err := chromedp.Run(ctx, chromedp.Poll(expression, &ok, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		var body string
		if err := chromedp.Run(b.ctx, chromedp.Evaluate(`document.body.innerText`, &body)); err == nil {
			b.t.Logf("the page: %s", body)
		}
		b.silent()
		b.t.Fatalf("never %s: %v", expression, err)
	}
}

// shoot keeps a picture of the whole page, or of what is seen of it.
func (b *browser) shoot(name string, whole bool) {
	b.t.Helper()
	dir := os.Getenv("STREAMCTL_SCREENSHOTS")
	if dir == "" {
		dir = b.t.ArtifactDir()
	}
	var picture []byte
	action := chromedp.CaptureScreenshot(&picture)
	if whole {
		action = chromedp.FullScreenshot(&picture, 100)
	}
	b.do(action)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fits says that nothing has to be scrolled sideways.
func (b *browser) fits() {
	b.t.Helper()
	wide := js[[]string](b, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 &&
		!e.closest("pre, .scroll, .hidden, .skip")).map((e) => e.tagName + "#" + e.id + "." + e.getAttribute("class"))`)
	if over := js[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 || len(wide) > 0 {
		b.t.Errorf("%d pixels too wide: %s", over, wide)
	}
}

// names are the accessible names of elements, by role.
func (b *browser) names() map[string][]string {
	b.t.Helper()
	names := map[string][]string{}
	b.do(accessibility.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		nodes, err := accessibility.GetFullAXTree().Do(ctx)
		for _, n := range nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			name := ""
			if n.Name != nil {
				name = strings.Trim(string(n.Name.Value), `"`)
			}
			role := strings.Trim(string(n.Role.Value), `"`)
			names[role] = append(names[role], name)
		}
		return err
	}), accessibility.Disable())
	return names
}

// tabTo moves the focus with the Tab key until an expression is true.
func (b *browser) tabTo(expression string) {
	b.t.Helper()
	for range 60 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if js[bool](b, expression) {
			return
		}
	}
	b.t.Fatalf("the Tab key never comes to where %s", expression)
}

// site is a dashboard that can be cut off and come back at the same address.
type site struct {
	t       *testing.T
	handler http.Handler
	server  *httptest.Server
	addr    string
}

func newSite(t *testing.T, o dashboard.Options) *site {
	s := &site{t: t, handler: dashboard.New(o), addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() { s.server.Close() })
	return s
}

func (s *site) start() {
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: s.handler}}
	s.server.Start()
	s.addr = listener.Addr().String()
}

func (s *site) stop() {
	s.server.CloseClientConnections()
	s.server.Close()
}

func options(s *stores) (dashboard.Options, *handlerAPI) {
	api := newAPI(s)
	return dashboard.Options{API: api, Health: health(s), About: dashboard.About{
		Title: "shop", Environment: "production", Endpoint: "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod", Region: "eu-west-1",
		Metrics: dashboard.Metrics(definitions), Version: "v1.0.0",
	}}, api
}

func shop() *stores { return &stores{now: time.Now, factor: 1} }
