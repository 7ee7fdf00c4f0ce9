package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// takenMeanwhile are names of which another domain claims one just after it was looked at.
type takenMeanwhile struct {
	ports.Names
	owner string
	by    dkim.Name
}

func (n takenMeanwhile) Claim(ctx context.Context, owner string, name dkim.Name) (dkim.Name, error) {
	if owner == n.owner {
		return n.by, nil
	}
	return n.Names.Claim(ctx, owner, name)
}

// TestTwoDomainsAtOneName: of two domains whose selectors lead to one name by a CNAME, the
// second is refused by name, is never told to remove the other's live record, and
// overwrites nothing (I2, I3).
func TestTwoDomainsAtOneName(t *testing.T) {
	first, second := wanted("mx1"), wanted("mx1")
	second.Name = "example.org"
	shared := dkim.Name{Domain: first.Name, Selector: "s1"}.String()
	refused := func(t *testing.T, err error) {
		t.Helper()
		faulttest.Shown(t, err)
		if fault.CodeOf(err) != codes.SharedName || fault.KindOf(err) != fault.Refused ||
			!strings.Contains(err.Error(), "s1._domainkey.example.com") ||
			!strings.Contains(err.Error(), "s1._domainkey.example.org") || strings.Contains(fault.HintOf(err), "remove it") {
			t.Errorf("%v (hint %q), want a refusal that names both", err, fault.HintOf(err))
		}
	}
	t.Run("the second is new", func(t *testing.T) {
		w := newWorld(t, "mx1")
		w.settle(first)
		live := w.shown(shared)[0]
		w.shows = func(s *rotate.Sight) {
			if s.Owner == "s1._domainkey.example.org" {
				s.Owner, s.Zone, s.Values = shared, first.Name, []string{live}
			}
		}
		refused(t, w.engine().Advance(t.Context(), second).Err)
		if got := w.shown(shared)[0]; got != live {
			t.Errorf("the live record was overwritten by %q", got)
		}
		if res := w.engine().Advance(t.Context(), first); res.Err != nil || len(res.State.Drift) > 0 {
			t.Errorf("the first one suffers: %v, %v", res.Err, res.State.Drift)
		}
	})
	t.Run("both are new", func(t *testing.T) { // nothing stands there yet: one gets it, and the other no key
		w := newWorld(t, "mx1")
		w.shows = func(s *rotate.Sight) {
			if s.Owner == "s1._domainkey.example.org" {
				s.Owner, s.Zone = shared, first.Name
			}
		}
		w.trouble = failing("publish s1")
		w.engine().Advance(t.Context(), first)
		w.trouble = nil
		refused(t, w.engine().Advance(t.Context(), second).Err)
		if kept := w.keys[dkim.Name{Domain: second.Name, Selector: "s1"}]; len(kept) > 0 {
			t.Errorf("%d keys were made for a name that has no place for a record", len(kept))
		}
		w.pass(time.Hour)
		if res := w.settle(first); res.Err != nil || res.State.Phase != rotate.Ready {
			t.Errorf("the first one suffers: %v, %s", res.Err, res.State.Phase)
		}
	})
	t.Run("its second place is taken meanwhile", func(t *testing.T) { // a new domain gets both places, or no key
		w := newWorld(t, "mx1")
		e := w.engine()
		e.Names = takenMeanwhile{e.Names, "s2._domainkey.example.org", dkim.Name{Domain: first.Name, Selector: "s1"}}
		err := e.Advance(t.Context(), second).Err
		if fault.CodeOf(err) != codes.SharedName {
			t.Errorf("%v, want a refusal", err)
		}
		for _, s := range second.Policy.Selectors {
			if kept := w.keys[dkim.Name{Domain: second.Name, Selector: s}]; len(kept) > 0 {
				t.Errorf("%d keys were made at %s", len(kept), s)
			}
		}
	})
	t.Run("the first is purged", func(t *testing.T) { // what is said to do leads out, also while that is under way
		w := newWorld(t, "mx1")
		w.settle(first)
		w.shows = func(s *rotate.Sight) {
			if s.Owner == "s1._domainkey.example.org" {
				s.Owner, s.Zone, s.Values = shared, first.Name, w.shown(shared)[:1]
			}
		}
		if res := w.order(first, rotate.Release{Purge: true}); res.Err != nil {
			t.Fatal(res.Err)
		}
		err := w.engine().Advance(t.Context(), second).Err
		if refused(t, err); !strings.Contains(fault.HintOf(err), "when that is done") {
			t.Errorf("the purge is under way, and the hint is %q", fault.HintOf(err))
		}
		w.hosts["mx1"].leave(first.Name)
		for range 20 {
			w.pass(day)
			w.engine().Advance(t.Context(), first)
		}
		w.wantCleared(first)
		res := w.settle(second) // what is left there makes way
		if res.Err != nil || res.State.Phase != rotate.Ready || len(res.State.Drift) > 0 {
			t.Errorf("the purge is done: %v, phase %s, %s", res.Err, res.State.Phase, plantest.Findings(res.State.Drift))
		}
	})
	t.Run("the first is released, or has moved to other selectors", func(t *testing.T) { // its record may be needed still
		for says, end := range map[string]func(*world){
			"signers may sign with its key": func(w *world) { w.order(first, rotate.Release{}) },
			"mail on its way may need it":   func(w *world) { w.order(elsewhere(first), rotate.ChangeSelectors{}); w.pass(3 * day) },
			"status --domain example.com":   func(w *world) { w.order(elsewhere(first), rotate.ChangeSelectors{}) },
		} {
			w, led := newWorld(t, "mx1"), true
			w.settle(first)
			w.pass(9 * day)
			w.leads("s1._domainkey.example.org", shared, &led)
			end(w)
			err := w.engine().Advance(t.Context(), second).Err
			if refused(t, err); !strings.Contains(fault.HintOf(err), says) {
				t.Errorf("hint %q, want %q", fault.HintOf(err), says)
			}
		}
	})
	t.Run("its active name is led there", func(t *testing.T) { // all its mail fails, and the other selector is good
		w, led := newWorld(t, "mx1"), true
		w.settle(first)
		w.settle(second)
		w.pass(9 * day)
		live := w.shown(shared)[0]
		w.shows = func(s *rotate.Sight) {
			if led && s.Owner == "s1._domainkey.example.org" {
				s.Owner, s.Zone, s.Values = shared, first.Name, []string{live}
			}
		}
		hold := w.order(second, rotate.Hold{})
		if plantest.Findings(hold.State.Drift) != "mail-fails s1!, record-unseen s1!" {
			t.Errorf("on hold: %s", plantest.Findings(hold.State.Drift))
		}
		w.signsWith(second, "s1")
		refused(t, w.order(second, rotate.Unhold{}).Err)
		w.signsWith(second, "s2")
		w.pass(30 * day)
		res := w.order(second, nil)
		if refused(t, res.Err); plantest.Findings(res.State.Drift) != "record-unseen s1!" {
			t.Errorf("signers have left it: %s", plantest.Findings(res.State.Drift))
		}
		if got := w.shown(shared)[0]; got != live {
			t.Errorf("the live record was overwritten by %q", got)
		}
		led = false
		w.pass(time.Hour)
		if res = w.settle(second); res.Err != nil || res.State.Phase != rotate.Ready || len(res.State.Drift) > 0 {
			t.Errorf("the name is free again: %v, phase %s, %s", res.Err, res.State.Phase, plantest.Findings(res.State.Drift))
		}
	})
	t.Run("the name was claimed before the first is managed", func(t *testing.T) {
		w := newWorld(t, "mx1")
		w.settle(second)
		if holder, err := w.store.Claim(t.Context(), shared, dkim.Name{Domain: second.Name, Selector: "s1"}); err != nil ||
			holder.Domain != second.Name {
			t.Fatal(holder, err)
		}
		refused(t, w.engine().Advance(t.Context(), first).Err)
		if got := w.shown(shared)[0]; got != "" {
			t.Errorf("published all the same: %q", got)
		}
	})
}

// names remembers one name of somebody's, and counts how often it is claimed.
type names struct {
	holder, claims dkim.Name // before it is asked for, and then; zero for nobody, and for who asks
	err            error
	asked          int
}

func (n *names) Holder(context.Context, string) (dkim.Name, error) { return n.holder, n.err }

func (n *names) Kept(context.Context, string) (dkim.Name, rotate.State, error) {
	return n.holder, rotate.State{}, n.err
}

func (n *names) Claim(_ context.Context, _ string, name dkim.Name) (dkim.Name, error) {
	n.asked++
	if n.claims != (dkim.Name{}) {
		return n.claims, nil
	}
	return name, nil
}

// TestClaimedOnce: of a name to which a CNAME leads it is noted once that it is the domain's, and only where its
// record stands there; what can't be found out stops nothing, and who was faster is respected (I2, I3, I6).
func TestClaimedOnce(t *testing.T) {
	ours, theirs := dkim.Name{Domain: "example.com", Selector: "s1"}, dkim.Name{Domain: "example.org", Selector: "s1"}
	for title, tt := range map[string]struct {
		names  names
		none   bool // they are not remembered at all
		stands string
		asked  int
		code   codes.Code
	}{
		"nobody's":              {asked: 1},
		"its own":               {names: names{holder: ours}},
		"unknown":               {names: names{err: errors.New("the database is locked")}},
		"somebody was faster":   {names: names{claims: theirs}, asked: 1, code: codes.SharedName},
		"something else stands": {stands: plantest.ForeignRecord, code: codes.ForeignRecord},
		"not remembered":        {none: true},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.shows = func(s *rotate.Sight) {
				if s.Owner == ours.String() {
					s.Owner = "s1.keys.example.net"
					if tt.stands != "" {
						s.Values = []string{tt.stands}
					}
				}
			}
			parts := w.engine().Parts
			if parts.Names = &tt.names; tt.none {
				parts.Names = nil
			}
			if err := newEngine(parts).Advance(t.Context(), d).Err; fault.CodeOf(err) != tt.code || (err != nil) != (tt.code != "") {
				t.Errorf("it ended with %v", err)
			}
			if tt.names.asked != tt.asked {
				t.Errorf("it was claimed %d times, want %d", tt.names.asked, tt.asked)
			}
		})
	}
}
