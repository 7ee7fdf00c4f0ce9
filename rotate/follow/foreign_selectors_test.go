package follow_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestFormerAfterAClockAhead: what was noted of former selectors while the clock ran ahead by years keeps no private key
// for years; a wait that is so long because of the drain stays as it is. What is given is not changed.
func TestFormerAfterAClockAhead(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ until, want time.Time }{
		"years ahead":            {now.AddDate(2, 0, 0), now.Add(7*day + 30*day + rotate.Grace)},
		"as long as the drain":   {now.Add(30*day + rotate.Grace), now.Add(30*day + rotate.Grace)},
		"over":                   {now.Add(-day), now.Add(-day)},
		"a signer uses it still": {},
	} {
		had := rotate.State{Domain: "example.com", Phase: rotate.Ready, Active: "a",
			Earlier: rotate.Earlier{"s1": &rotate.Selector{Drain: 30 * day}},
			Former:  rotate.Formers{{Selector: "s1", Signer: "mx1", Until: c.until}}}
		want := rotate.Domain{Name: "example.com", Policy: rotate.Policy{Drain: 7 * day}}
		st, _ := follow.State(had, want, now)
		if got := st.Former[0].Until; !got.Equal(c.want) || !had.Former[0].Until.Equal(c.until) {
			t.Errorf("%s: %s may go after %s, want %s; it was %s", name, "s1", got, c.want, had.Former[0].Until)
		}
	}
}
