package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// patience is the longest wait for an element to appear.
const patience = time.Minute

// shared is one Chromium for all tests; it starts with the first that needs it.
var shared struct {
	once sync.Once
	ctx  context.Context
	end  func() error
	err  error
}

func TestMain(m *testing.M) {
	code := database.Run(m)
	if shared.end != nil {
		if err := shared.end(); err != nil {
			fmt.Fprintln(os.Stderr, "end browser:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// startBrowser starts Chromium with its own profile, which is removed with it.
func startBrowser(path string) {
	dir, err := os.MkdirTemp("", "streamctl-chromium-")
	if err != nil {
		shared.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Env("TMPDIR="+dir), chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("lang", "en"),
		chromedp.Flag("host-resolver-rules", "MAP "+rebound+" 127.0.0.1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...) // it outlives the test
	ctx, cancel := chromedp.NewContext(allocator)
	shared.ctx = ctx
	shared.end = func() error {
		err := chromedp.Cancel(ctx) // waits until it has ended
		cancel()
		stop()
		return errors.Join(err, os.RemoveAll(dir))
	}
	shared.err = chromedp.Run(ctx)
}

// browser is a tab, with the errors that it logged.
type browser struct {
	ctx context.Context
	t   *testing.T

	mu   sync.Mutex
	said []string
	// networkMayFail allows network errors, because a server is unavailable on purpose.
	networkMayFail bool
}

// chromium finds the browser, under the names that it has.
func chromium(t *testing.T) string {
	for _, name := range []string{"google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return must.Have(t, "chromium", "scripts/setup installs it")
}

// openWindow opens a window with its own storage.
func openWindow(t *testing.T) (id target.ID) {
	t.Helper()
	ctx := cdp.WithExecutor(shared.ctx, chromedp.FromContext(shared.ctx).Browser)
	apart, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
	if err == nil {
		id, err = target.CreateTarget("about:blank").WithBrowserContextID(apart).WithNewWindow(true).Do(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// openTab opens a tab, closed when the test ends.
func openTab(t *testing.T) *browser {
	t.Helper()
	path := chromium(t)
	if shared.once.Do(func() { startBrowser(path) }); shared.err != nil {
		t.Fatal(shared.err)
	}
	ctx, cancel := chromedp.NewContext(shared.ctx, chromedp.WithTargetID(openWindow(t)))
	t.Cleanup(cancel)
	b := &browser{ctx: ctx, t: t}
	chromedp.ListenTarget(ctx, b.listen)
	b.do(cdplog.Enable(), runtime.Enable(), emulation.SetFocusEmulationEnabled(true))
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

// silent fails the test for each logged error.
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

// shoot saves a picture of the whole page or of the visible part.
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

// fits fails the test if the page scrolls sideways.
func (b *browser) fits() {
	b.t.Helper()
	wide := js[[]string](b, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 &&
		!e.closest("pre, .scroll, .hidden, .skip")).map((e) => e.tagName + "#" + e.id + "." + e.getAttribute("class"))`)
	if over := js[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 || len(wide) > 0 {
		b.t.Errorf("%d pixels too wide: %s", over, wide)
	}
}

// contrast fails the test for text with too little contrast (WCAG AA).
func (b *browser) contrast() {
	b.t.Helper()
	for _, found := range js[[]string](b, contrastJS) {
		b.t.Errorf("contrast: %s", found)
	}
}

// contrastJS lists the texts with a contrast below 4.5, or below 3 for large text.
const contrastJS = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const rgba = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
	const behind = (e) => {
		if (!e) return [255, 255, 255, 1];
		const own = rgba(getComputedStyle(e).backgroundColor);
		return own[3] === 1 ? own : over(own, behind(e.parentElement));
	};
	const light = (c) => [.2126, .7152, .0722].reduce((sum, w, i) => {
		const v = c[i] / 255;
		return sum + w * (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
	}, 0);
	const found = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest(".hidden, .skip, noscript")) continue;
		const style = getComputedStyle(e);
		let opacity = 1;
		for (let up = e; up; up = up.parentElement) opacity *= getComputedStyle(up).opacity;
		const ground = behind(e), ink = rgba(e.closest("svg") ? style.fill : style.color);
		ink[3] *= opacity;
		const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const ratio = (a + .05) / (b + .05);
		if (ratio < (large ? 3 : 4.5)) found.add(ratio.toFixed(2) + " " + e.tagName + "." + e.getAttribute("class") + " in " + e.parentElement.getAttribute("class") + ": " + walk.currentNode.data.trim().slice(0, 30));
	}
	return [...found];
})()`

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

// site is a dashboard that can be disconnected and come back at the same address.
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

func options(t testing.TB, s *stores) (dashboard.Options, *handlerAPI) {
	api := newAPI(t, s)
	return dashboard.Options{Events: noEvents, Rejected: noRejections, API: api, Health: health(s), About: dashboard.About{
		Title: "shop", Environment: "production", Endpoint: "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod", Region: "eu-west-1",
		Metrics: dashboard.Metrics(definitions), Version: "v1.0.0",
	}}, api
}

func shop() *stores {
	s := &stores{now: time.Now}
	s.factor.Store(1)
	return s
}
