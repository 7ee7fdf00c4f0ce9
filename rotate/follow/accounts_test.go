package follow_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestAccountsSaid: a person reads in the history which DNS accounts a domain got and which it lost, once; a
// domain that is new has none to lose. What is given is not changed.
func TestAccountsSaid(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	const came, left = "the DNS account %s is listed, too: each record is published there as well, and counts when the " +
		"servers of all accounts show it",
		"the DNS account %s is no longer listed: what it holds is yours to remove, and is " +
			"not changed any more"
	for name, c := range map[string]struct {
		phase     rotate.Phase
		had, also []string
		provider  string
		said      []string
		has       []string
	}{
		"one account": {rotate.Ready, nil, nil, "old", nil, nil},
		"a second account": {rotate.Ready, nil, []string{"new"}, "old", []string{fmt.Sprintf(came, "new")},
			[]string{"old", "new"}},
		"the same two": {rotate.Ready, []string{"old", "new"}, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a third": {rotate.Draining, []string{"old", "new"}, []string{"new", "far"},
			"old", []string{fmt.Sprintf(came, "far")}, []string{"old", "new", "far"}},
		"the first one left": {rotate.Ready, []string{"old", "new"}, nil, "new", []string{fmt.Sprintf(left, "old")}, nil},
		"one for another": {rotate.Ready, []string{"old", "new"}, []string{"far"}, "new",
			[]string{fmt.Sprintf(left, "old"), fmt.Sprintf(came, "far")}, []string{"new", "far"}},
		"a new domain":           {rotate.New, nil, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a domain never stored":  {"", nil, []string{"new"}, "old", nil, []string{"old", "new"}},
		"since it was new":       {rotate.Bootstrapping, []string{"old", "new"}, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a new one has one less": {rotate.New, []string{"old", "new"}, nil, "old", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			had := rotate.State{Domain: "example.com", Phase: c.phase, Accounts: c.had}
			st, events := follow.State(had, rotate.Domain{Name: "example.com", Provider: c.provider, Also: c.also}, now)
			var said []string
			for _, e := range events {
				said = append(said, e.Message)
				if e.Domain != "example.com" || e.Kind != rotate.Accounts || !e.At.Equal(now) || e.Phase != c.phase {
					t.Errorf("the event is %+v", e)
				}
			}
			if !slices.Equal(said, c.said) || !slices.Equal(st.Accounts, c.has) || !slices.Equal(had.Accounts, c.had) {
				t.Errorf("said %q, and has %q; want %q and %q", said, st.Accounts, c.said, c.has)
			}
		})
	}
}
