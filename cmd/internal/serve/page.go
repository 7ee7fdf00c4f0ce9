package serve

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
)

//go:embed page
var pageFiles embed.FS

// page shows people where the domains stand. It is made on the server, and works without script.
type page struct {
	fleet     *fleetCache
	detail    Detail
	log       *slog.Logger
	templates *template.Template
}

// How much of something is shown at once.
const (
	attentionRows = 50
	rowsOnPage    = 100
	eventsShown   = 300
	daysShown     = 14
	namesOnDay    = 12
)

// policy lets the page load nothing but its own style, and nobody frame it.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func newPage(fleet *fleetCache, detail Detail, log *slog.Logger) *page {
	return &page{fleet, detail, log, template.Must(template.ParseFS(pageFiles, "page/page.html"))}
}

// handler answers for all pages.
func (p *page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pageFiles, "page/style.css")
	})
	mux.HandleFunc("GET /{$}", p.with(p.home))
	mux.HandleFunc("GET /domains", p.with(p.domains))
	mux.HandleFunc("GET /domain/{name}", p.with(p.domain))
	mux.HandleFunc("GET /", p.with(func(*http.Request, Fleet, time.Time) view { return view{name: "missing"} }))
	return mux
}

// view is a page to be written: the name of its template, and what stands in it.
type view struct {
	name string
	data map[string]any
	err  error
}

// with answers with the view that f makes of the fleet.
func (p *page) with(f func(*http.Request, Fleet, time.Time) view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		fleet, now, err := p.fleet.get(patience)
		if errors.Is(err, errReading) { // the page asks again by itself
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Retry-After", "3")
			w.WriteHeader(http.StatusServiceUnavailable)
			if err := p.templates.ExecuteTemplate(w, "reading", nil); err != nil {
				p.log.Error("can't show a page", "path", r.URL.Path, "error", err)
			}
			return
		}
		if err != nil {
			http.Error(w, "The state can't be read: see the log of the daemon.", http.StatusServiceUnavailable)
			return
		}
		v := f(r, fleet, now)
		if v.data == nil {
			v.data = map[string]any{}
		}
		v.data["Now"] = now.UTC().Format("Mon 2006-01-02 15:04:05")
		var out bytes.Buffer
		if err := cmp.Or(v.err, p.templates.ExecuteTemplate(&out, v.name, v.data)); err != nil {
			p.log.Error("can't show a page", "path", r.URL.Path, "error", err)
			http.Error(w, "This page can't be shown: see the log of the daemon.", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		if v.name == "missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write(out.Bytes())
	}
}

// count is one number of the overview.
type count struct {
	N                  int
	Words, Class, Link string
}

func (p *page) home(_ *http.Request, f Fleet, now time.Time) view {
	c := report.NewCounts(f.States, f.Unlisted, now)
	counts := []count{{c.Person, "need a person", class(c.Person, "bad"), "/domains?attention=1"},
		{c.Unrevoked, "with a compromised key, not revoked yet", class(c.Unrevoked, "bad"), ""},
		{c.Failing, "failing", class(c.Failing, "bad"), "/domains?attention=1"},
		{c.Overdue, "overdue", class(c.Overdue, "bad"), ""}, {c.Drifting, "drifting", class(c.Drifting, "warn"), ""},
		{c.Soon, "due in 24 hours", "", ""}, {c.Unlisted, "not in the configuration any more", class(c.Unlisted, "warn"), ""}}
	for _, phase := range rotate.Phases() {
		if n := c.Phases[phase]; n > 0 {
			counts = append(counts, count{n, string(phase), "", "/domains?phase=" + url.QueryEscape(string(phase))})
		}
	}
	counts = slices.DeleteFunc(counts, func(c count) bool { return c.N == 0 && c.Class == "" && c.Link == "" })
	attention := attentionOf(f, now)
	return view{name: "home", data: map[string]any{"Title": report.Count(len(f.States), "domain"), "Counts": counts,
		"Attention": attention[:min(len(attention), attentionRows)], "More": max(0, len(attention)-attentionRows),
		"Days": days(f, now), "Span": daysShown}}
}

func class(n int, name string) string {
	if n == 0 {
		return ""
	}
	return name
}

// notice is a domain that needs attention, what for, and what is to be done.
type notice struct{ Name, What, Do, Class string }

// attentionOf lists what needs attention: first the domains that need a person, then those whose compromised key is not
// revoked.
func attentionOf(f Fleet, now time.Time) (out []notice) {
	var noted []rotate.State
	for _, st := range f.States {
		if report.NeedsAttention(st, now) {
			noted = append(noted, st)
		}
	}
	slices.SortStableFunc(noted, func(a, b rotate.State) int {
		switch {
		case report.Graver(a, b):
			return -1
		case report.Graver(b, a):
			return 1
		}
		return 0
	})
	for _, st := range noted {
		n := notice{Name: st.Domain, Class: "warn"}
		if report.NeedsPerson(st) {
			n.Class = "bad"
		}
		switch {
		case st.Failures > 0:
			n.What, n.Do = screen.Visible(st.LastError), afterFailure(st)
		case len(report.Unrevoked(st)) > 0 && !report.NeedsPerson(st):
			n.What = screen.Visible(show.Why(st))
			n.Do = "dkimbot does that by itself; 'dkimbot plan --domain " + st.Domain + "' lists the steps"
		case len(st.Drift) > 0:
			n.What, n.Do = screen.Visible(st.Drift[0].Message), screen.Visible(st.Drift[0].Repair)
		case report.Overdue(st, now):
			n.What, n.Do = "no run came to it for two hours after its time", "does the daemon or timer run?"
		default:
			n.What, n.Do = "a key was reported as compromised, or signers are held back", "see the domain"
		}
		out = append(out, n)
	}
	return out
}

// afterFailure says what is to be done about a domain that fails.
func afterFailure(st rotate.State) string {
	for _, f := range st.Drift {
		if f.Asks {
			return screen.Visible(f.Repair)
		}
	}
	if st.Refused {
		return "run 'dkimbot plan --domain " + st.Domain + "': it says what to do"
	}
	return "dkimbot tries again by itself"
}

// row is a domain in a list.
type row struct{ Name, Phase, Active, Next string }

// domains lists the domains that match what was asked for.
func (p *page) domains(r *http.Request, f Fleet, now time.Time) view {
	q := r.URL.Query()
	text, phase, noted := strings.ToLower(strings.TrimSpace(q.Get("q"))), q.Get("phase"), q.Get("attention") != ""
	first, _ := strconv.Atoi(q.Get("from"))
	var rows []row
	n := 0
	for _, st := range f.States {
		is := cmp.Or(st.Phase, rotate.New)
		if !strings.Contains(st.Domain, text) || phase != "" && string(is) != phase ||
			noted && !report.NeedsAttention(st, now) {
			continue
		}
		if n++; n > first && len(rows) < rowsOnPage {
			rows = append(rows, row{st.Domain, string(is), st.Active, coming(st.Next)})
		}
	}
	data := map[string]any{"Title": report.Count(n, "domain"), "Rows": rows}
	at := func(from int) string { q.Set("from", strconv.Itoa(from)); return "/domains?" + q.Encode() }
	if first > 0 {
		data["Previous"] = at(max(0, first-rowsOnPage))
	}
	if n > first+rowsOnPage && first >= 0 {
		data["Next"] = at(first + rowsOnPage)
	}
	return view{name: "domains", data: data}
}

func coming(n *rotate.Next) string {
	if n == nil {
		return ""
	}
	return show.Action(*n) + ", " + n.At.UTC().Format("Mon 2006-01-02 15:04")
}
