package serve

import (
	"context"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// browser opens a Chromium without a window, which notes what it asks for and complains of.
type browser struct {
	ctx context.Context

	mu       sync.Mutex
	hosts    map[string]bool
	complain []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		t.Fatalf("no Chromium; on Debian: apt-get install chromium-headless-shell (%v)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	b := &browser{hosts: map[string]bool{}}
	b.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err = chromedp.Listen(b.ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil {
				b.hosts[u.Host] = true
			}
		case *log.EventEntryAdded:
			if !strings.Contains(e.Entry.URL, "favicon") {
				b.complain = append(b.complain, e.Entry.Text)
			}
		}
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// do takes steps on the page.
func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// says evaluates an expression on the page.
func (b *browser) says(t *testing.T, expression string) string {
	t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// brokenWords are some words in the cells of a page that stand on two lines, although each fits on one.
const brokenWords = `(() => { const broken = [];
	for (const cell of document.querySelectorAll('td')) {
		for (const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); walk.nextNode();) {
			for (const word of walk.currentNode.data.matchAll(/[\w.]+/g)) {
				const range = document.createRange();
				range.setStart(walk.currentNode, word.index);
				range.setEnd(walk.currentNode, word.index + word[0].length);
				const lines = new Set([...range.getClientRects()].map(at => Math.round(at.top)));
				if (lines.size > 1 && word[0].length < 30) broken.push(word[0]);
			}
		}
	}
	return broken.slice(0, 5).join(' ');
})()`

// TestPagesInABrowser: each page fits on a wide and on a narrow screen, follows the reader's choice of light and dark,
// asks nothing of other hosts, breaks no rule of its own policy, and can be used by keyboard.
func TestPagesInABrowser(t *testing.T) {
	now := time.Now()
	m := NewMetrics("1")
	fleet := shown(now, 250)
	long := strings.Repeat("a long story of a record that is not ours ", 5)
	fleet.States = append(fleet.States, rotate.State{Domain: "mail.example.test", Phase: rotate.Ready, Drift: []finding.Finding{
		{Code: codes.KeyMissing, Message: long, Repair: long, Asks: true, Since: now}}})
	m.Register(func(context.Context) (Fleet, error) { return fleet, nil }, func() int { return 0 }, quiet)
	s, err := Listen("127.0.0.1:0", nil, Served{Metrics: m, Detail: detailOf(fleet), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	root, b := "http://"+s.Addr().String(), openBrowser(t)

	for _, width := range []int64{1200, 390, 360} {
		for _, path := range []string{"/", "/domains", "/domains?attention=1", "/domain/a.test", "/nosuch"} {
			b.do(t, chromedp.EmulateViewport(width, 800), chromedp.Navigate(root+path))
			if got := b.says(t, "document.documentElement.scrollWidth <= window.innerWidth"); got != "true" {
				t.Errorf("%s is wider than %d columns: %s", path, width, b.says(t, "document.documentElement.scrollWidth"))
			}
			if got := b.says(t, brokenWords); width < 640 && got != "" {
				t.Errorf("%s breaks words on %d columns: %s", path, width, got)
			}
			if got := b.says(t, strings.Replace(brokenWords, "'td'", "'td.name'", 1)); got != "" {
				t.Errorf("%s breaks names of domains on %d columns: %s", path, width, got)
			}
			if got := b.says(t, "document.querySelectorAll('h1').length + document.title"); !strings.HasPrefix(got, "1") ||
				!strings.HasSuffix(got, " - dkimbot") {
				t.Errorf("%s: headings and title are %q", path, got)
			}
		}
	}

	colours := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			t.Fatal(err)
		}
		b.do(t, chromedp.Navigate(root+"/"))
		colours[scheme] = b.says(t, "getComputedStyle(document.querySelector('.bad')).color")
	}
	if colours["light"] == colours["dark"] {
		t.Errorf("colours are the same in light and in dark: %v", colours)
	}

	b.do(t, chromedp.Navigate(root+"/"), chromedp.KeyEvent("\t"))
	if got := b.says(t, "document.activeElement.className"); got != "skip" {
		t.Errorf("the first Tab leads to %q, and not past the head of the page", got)
	}
	b.do(t, chromedp.KeyEvent("\t"), chromedp.KeyEvent("\t"), chromedp.KeyEvent("\t"), chromedp.KeyEvent("d0000"),
		chromedp.KeyEvent("\r"), arrived("q=d0000"), chromedp.WaitVisible("h1"))
	if got := b.says(t, "document.querySelector('h1').textContent"); got != "10 domains" {
		t.Errorf("the search by keyboard shows %q", got)
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.hosts) != 1 || !b.hosts[s.Addr().String()] {
		t.Errorf("the pages ask %v", b.hosts)
	}
	for _, text := range b.complain {
		if !strings.Contains(text, "404") { // the page that does not exist
			t.Errorf("the browser complains: %s", text)
		}
	}
}

// arrived waits until the address of the page ends with some text: the page before has the same parts.
func arrived(end string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for {
			at, err := chromedp.Location()(ctx, t) // an error while one page goes and the next one comes
			if err == nil && strings.HasSuffix(at, end) {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}
