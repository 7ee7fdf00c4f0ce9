package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

const nasty = "<script>alert(1)</script>\" onload=x \u202eevil\x1b[31m"

// shown is a fleet for pages: one domain of each kind, and many that are well.
func shown(now time.Time, many int) Fleet {
	f := fleetAt(now)
	f.States[1].LastError = "s1 holds a record that is not ours: " + nasty
	f.States[1].Drift = nil
	f.States = append(f.States, rotate.State{Domain: "drift.test", Phase: rotate.Ready, Drift: []finding.Finding{
		{Code: codes.KeyMissing, Message: nasty, Repair: "nothing: " + nasty, Asks: true, Since: now}}})
	for i := range many {
		f.States = append(f.States, rotate.State{Domain: fmt.Sprintf("d%05d.example", i), Phase: rotate.Ready, Active: "s1",
			Signers: rotate.Confirmations{"mx1": {Selector: "s1", At: now}},
			Next:    &rotate.Next{Action: codes.ActionRotate, Selector: "s2", At: now.Add(time.Duration(i%30) * 24 * time.Hour)}})
	}
	return f
}

func historyOf(now time.Time) []rotate.Event {
	var out []rotate.Event
	add := func(kind rotate.Kind, selector, key string, ago time.Duration, message string) {
		out = append(out, rotate.Event{Domain: "a.test", At: now.Add(-ago), By: "root@" + nasty, Kind: kind,
			Selector: selector,
			KeyID:    key, Outcome: codes.OutcomeDone, Message: message})
	}
	first, second := strings.Repeat("1a", 16), strings.Repeat("2b", 16)
	add(rotate.StoreKey, "s1", first, 72*time.Hour, "")
	add(rotate.Publish, "s1", first, 71*time.Hour, "")
	add(rotate.Activate, "s1", first, 70*time.Hour, "")
	add(rotate.StoreKey, "s2", second, 69*time.Hour, nasty)
	add(rotate.Activate, "s2", second, 48*time.Hour, "")
	add(rotate.Destroy, "s1", first, 24*time.Hour, "")
	add("", "", "", time.Hour, "the server answers REFUSED") // an attempt that failed before its first step
	return out
}

// detailOf has the states of the fleet, and the same history for each domain.
func detailOf(f Fleet) Detail {
	return Detail{func(_ context.Context, domain string) (rotate.State, error) {
		i := slices.IndexFunc(f.States, func(st rotate.State) bool { return st.Domain == domain })
		if i < 0 {
			return rotate.State{}, errors.New("no such domain")
		}
		return f.States[i], nil
	}, func(context.Context, string, int) ([]rotate.Event, error) { return historyOf(time.Now()), nil }}
}

// pages answers questions of pages of a fleet.
func pages(f Fleet) func(path string) *httptest.ResponseRecorder {
	detail := detailOf(f)
	detail.History = func(_ context.Context, domain string, _ int) ([]rotate.Event, error) {
		if domain == "b.test" {
			return nil, errors.New("disk I/O error")
		}
		return historyOf(time.Now()), nil
	}
	kept := added(f, time.Now())
	cache := newFleetCache(func(context.Context) (Fleet, error) { return kept, nil }, quiet)
	h := newPage(cache, detail, quiet).handler()
	return func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
}

// text returns the words of a page, and fails where it is no sound HTML: an element that is not
// closed, or a script, a style or a resource from elsewhere.
func text(t *testing.T, page string) string {
	t.Helper()
	var words strings.Builder
	var open []string
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		tok := z.Token()
		switch kind {
		case html.TextToken:
			words.WriteString(tok.Data + " ")
		case html.StartTagToken:
			check(t, tok)
			if tok.Data != "meta" && tok.Data != "link" && tok.Data != "input" {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			if n := len(open); n == 0 || open[n-1] != tok.Data {
				t.Fatalf("%s ends inside %v", tok.Data, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not ended: %v", open)
	}
	return strings.Join(strings.Fields(words.String()), " ")
}

func check(t *testing.T, tok html.Token) {
	t.Helper()
	if tok.Data == "script" || tok.Data == "style" || tok.Data == "img" {
		t.Errorf("the page has a %s", tok.Data)
	}
	for _, a := range tok.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
			t.Errorf("%s has %s", tok.Data, a.Key)
		}
		if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && a.Val != "#main" {
			t.Errorf("%s leads to %s", tok.Data, a.Val)
		}
	}
}

// TestPages: each page is sound HTML, says what is so, takes nothing from outside for markup, and
// loads nothing from elsewhere.
func TestPages(t *testing.T) {
	now := time.Now()
	get := pages(shown(now, 250))
	for path, want := range map[string][]string{
		"/": {"254 domains", "2 need a person", "1 overdue", "s1 holds a record that is not ours", "drift.test", "nothing: ",
			"rotate to s2", "and "},
		"/domains":                             {"254 domains", "a.test", "Next", "rotate to s2"},
		"/domains?from=200":                    {"254 domains", "Previous"},
		"/domains?q=D0000":                     {"10 domains", "d00003.example"},
		"/domains?phase=ready":                 {"252 domains"},
		"/domains?attention=1":                 {"3 domains", "b.test", "drift.test"},
		"/domains?q=" + "%3Cscript%3E&from=-5": {"0 domains", "No domain matches."},
		"/domain/a.test": {"a.test phase ready", "Keys", "1a1a1a1a1a1a", "2b2b2b2b2b2b",
			"History", "store s2", "plan done the server answers REFUSED"},
		"/domain/d00003.example": {"signer mx1"}, // of one that needs no attention all is shown, too
		"/domain/nosuch":         {"There is no such page"},
		"/nosuch":                {"There is no such page"},
	} {
		t.Run(path, func(t *testing.T) {
			w := get(path)
			page := w.Body.String()
			words := text(t, page)
			for _, s := range want {
				if !strings.Contains(words, s) {
					t.Errorf("no %q in %s", s, words)
				}
			}
			if code := w.Code; code != 200 && !strings.Contains(path, "nosuch") || code == 200 &&
				strings.Contains(path, "nosuch") {
				t.Errorf("code %d", code)
			}
			if strings.ContainsAny(page, "\u202e\x1b") {
				t.Error("characters that can't be seen come through")
			}
			if got := w.Header().Get("Content-Security-Policy"); got != policy ||
				!strings.HasPrefix(policy, "default-src 'none'") {
				t.Errorf("the policy is %q", got)
			}
		})
	}
	if w := get("/domain/b.test"); w.Code != 500 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a history that can't be read: %d %s", w.Code, w.Body)
	}
	if w := get("/style.css"); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d, %v", w.Code, w.Header())
	}
}

// TestPageOfAnEmergency: a domain whose compromised key is not revoked stands behind those that need a person, and before
// those that only differ, with the time when it is.
func TestPageOfAnEmergency(t *testing.T) {
	now := time.Now()
	key := rotate.Key{ID: "ffeeddccbbaa9988", PublishedAt: now, Leaked: now}
	get := pages(Fleet{States: []rotate.State{
		{Domain: "a.test", Phase: rotate.Ready, Drift: []finding.Finding{{Code: codes.RecordVanished, Message: "it is missing"}}},
		{Domain: "b.test", Phase: rotate.Ready, Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: &key}},
			Next: &rotate.Next{Action: rotate.Activate, Selector: "s2", At: now.Add(time.Hour)}},
		{Domain: "c.test", Phase: rotate.Ready, Drift: []finding.Finding{{Code: codes.KeyMissing, Message: "a key", Asks: true}}},
	}})
	words := text(t, get("/").Body.String())
	rest := words
	for _, want := range []string{"1 with a compromised key, not revoked yet", "c.test", "b.test",
		"the compromised key ffeeddccbbaa at s1 is not revoked yet: signers leave it for s2 at", "'dkimbot plan --domain b.test'",
		"a.test"} { // in this order: first what needs a person
		_, after, found := strings.Cut(rest, want)
		if rest = after; !found {
			t.Fatalf("no %q behind that in %s", want, words)
		}
	}
}

// TestKeyTimes: the life of a key is reported as the history has it.
func TestKeyTimes(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	keys := keysOf(historyOf(now))
	if len(keys) != 2 || keys[1] != (keyTimes{ID: "1a1a1a1a1a1a", Selector: "s1", Made: "2026-05-01 12:00",
		Published: "2026-05-01 13:00", From: "2026-05-01 14:00", Until: "2026-05-02 12:00", Gone: "2026-05-03 12:00"}) ||
		keys[0].From != "2026-05-02 12:00" || keys[0].Until != "" || keys[0].Gone != "" {
		t.Errorf("got %+v", keys)
	}
}

// TestDays: what is overdue stands on today, days come in order, and many names are cut.
func TestDays(t *testing.T) {
	now := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	all := days(shown(now, 600), now)
	if !regexp.MustCompile(`2026-05-31$`).MatchString(all[0].Day) || len(all[0].Names)+all[0].More < 1 {
		t.Errorf("the first day is %+v", all[0])
	}
	for i := 1; i < len(all); i++ {
		if all[i].at.Before(all[i-1].at) {
			t.Errorf("%s comes after %s", all[i].Day, all[i-1].Day)
		}
	}
	if last := all[len(all)-1]; len(last.Names) != namesOnDay || last.More != 20-namesOnDay {
		t.Errorf("the last day is %+v", last)
	}
}

// BenchmarkPages measures the pages at 100,000 domains.
func BenchmarkPages(b *testing.B) {
	get := pages(shown(time.Now(), 100_000))
	for _, path := range []string{"/", "/domains?q=999", "/domain/d99999.example"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if w := get(path); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
