package serve

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
)

// line is one line of a domain's history.
type line struct{ At, What, Outcome, Message, By string }

// domain shows all about one domain: what 'dkimbot status' says, its keys, and its history.
func (p *page) domain(r *http.Request, f Fleet, now time.Time) view {
	name := strings.TrimSuffix(strings.ToLower(r.PathValue("name")), ".")
	if !slices.ContainsFunc(f.States, func(st rotate.State) bool { return st.Domain == name }) {
		return view{name: "missing"}
	}
	st, err := p.detail.State(r.Context(), name)
	if err != nil {
		return view{err: err}
	}
	events, err := p.detail.History(r.Context(), name, eventsShown)
	if err != nil {
		return view{err: err}
	}
	var status strings.Builder
	show.Text{Pen: screen.Pen{W: &status, Now: now}}.Status(st)
	var lines []line
	for _, e := range slices.Backward(events) {
		lines = append(lines, line{At: e.At.UTC().Format("2006-01-02 15:04:05"),
			What: show.Attempt(e), Outcome: string(e.Outcome),
			Message: screen.Visible(e.Message), By: screen.Visible(e.By)})
	}
	return view{name: "domain", data: map[string]any{"Name": name, "Status": visibleLines(status.String()),
		"Keys": keysOf(events), "Events": lines}}
}

// visibleLines makes what can't be seen visible, and keeps the ends of lines.
func visibleLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, l := range lines {
		lines[i] = screen.Visible(l)
	}
	return strings.Join(lines, "\n")
}
