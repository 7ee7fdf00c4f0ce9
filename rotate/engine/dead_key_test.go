package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// lacking lets one of the two servers lose what it shows at the selectors, as one that has an old zone.
func (w *world) lacking(selectors ...string) {
	w.shows = func(s *rotate.Sight) {
		selector, _, _ := strings.Cut(s.Owner, ".")
		if s.Complete && len(s.Values) > 0 && strings.Contains(strings.Join(selectors, " "), selector) {
			s.Complete, s.Lagging = false, []string{"ns2: shows no record"}
			s.Shown = map[string][]string{"ns1": s.Values, "ns2": nil}
		}
	}
}

// wild lets the server that lacks a record show what a wildcard has instead.
func (w *world) wild(value string) {
	shows := w.shows
	w.shows = func(s *rotate.Sight) {
		if shows(s); !s.Complete {
			s.Wildcard, s.TTL = []string{value}, 12*time.Hour
		}
	}
}

// tagged has the servers show each record as a DNS panel wrote it again, with the flag t=s.
func (w *world) tagged() {
	shows := w.shows
	w.shows = func(s *rotate.Sight) {
		for i, v := range s.Values {
			s.Values[i] = strings.Replace(v, "p=", "t=s; p=", 1)
		}
		shows(s)
	}
}

// TestDeadKeyIsLeft: once the key that signers use was revoked, their mail fails. They leave it as soon as one server
// shows the record of the other key, and wait neither for the others nor for resolvers (I2). While they have left no
// key that is good, every server has to show it.
func TestDeadKeyIsLeft(t *testing.T) {
	for title, order := range map[string]rotate.Compromised{"revoked": {RevokeNow: true}, "good": {},
		"revoked, with other tags at the other one": {RevokeNow: true}, "revoked, under a wildcard": {RevokeNow: true}} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(8 * day)
			w.lacking("s2")
			if strings.Contains(title, "tags") {
				w.tagged()
			}
			if strings.Contains(title, "wildcard") {
				w.wild("v=spf1 -all")
			}
			res := w.order(d, order)
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); (got == "s2") != order.RevokeNow {
					t.Errorf("%s signs with %q; %v", name, got, res.Err)
				}
			}
			w.shows = nil
			w.pass(time.Hour)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestNothingBecomesWorse: a server that shows neither key keeps no signer from leaving a compromised one: whoever asks
// it finds none before and after. One that lacks only the key to which they go does.
func TestNothingBecomesWorse(t *testing.T) {
	for title, lacks := range map[string][]string{"neither": {"s1", "s2"}, "only the other one": {"s2"},
		"neither, under a wildcard": {"s1", "s2"}, "neither, under a key's wildcard": {"s1", "s2"},
		"only the other one, under a wildcard": {"s2"}} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.lag = 0
			w.settle(d)
			w.pass(8 * day)
			w.lacking(lacks...)
			if _, shows, found := strings.Cut(title, "under "); found {
				w.wild(map[string]string{"a wildcard": "v=spf1 -all", "a key's wildcard": "v=DKIM1; p="}[shows])
			}
			res := w.order(d, rotate.Compromised{})
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); (got == "s2") != (len(lacks) == 2) {
					t.Errorf("%s signs with %q; %v", name, got, res.Err)
				}
			}
			if said := strings.Join(finding.Texts(res.Plan.Warnings), " "); len(lacks) == 2 && strings.Contains(said, "all mail fail") {
				t.Errorf("it says %s", said)
			}
			w.shows = nil
			w.pass(time.Hour)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestDeadKeyIsLeftForPart: nor is somebody else's record that only one of two servers shows at the other selector
// waited for, which dkimbot never touches (I6): mail that is signed with that key verifies at the other server at least.
func TestDeadKeyIsLeftForPart(t *testing.T) {
	const s2, theirs = "s2._domainkey.example.com", "v=DKIM1; p=Zm9yZWlnbg=="
	for title, c := range map[string]struct {
		beside bool // on each server dkimbot's record is not alone
		lacks  bool // the server that shows it shows no active record
		order  rotate.Compromised
		away   bool
	}{
		"revoked":                   {false, false, rotate.Compromised{RevokeNow: true}, true},
		"good":                      {false, false, rotate.Compromised{}, false},
		"good, and not shown there": {false, true, rotate.Compromised{}, true},
		"nowhere alone":             {true, false, rotate.Compromised{RevokeNow: true}, false},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(8 * day)
			good := w.shown(s2)[0]
			w.lacking("s1")
			lacking := w.shows
			w.shows = func(s *rotate.Sight) {
				if s.Owner != s2 {
					if c.lacks {
						lacking(s)
					}
					return
				}
				own, both := s.Values, append(slices.Clone(s.Values), theirs)
				s.Complete, s.Values, s.Lagging = false, both, []string{"ns2: shows something else"}
				s.Shown = map[string][]string{"ns1": own, "ns2": {theirs}}
				if c.beside {
					s.Shown["ns1"] = both
				}
			}
			res := w.order(d, c.order)
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); (got == "s2") != c.away {
					t.Errorf("%s signs with %q; %v", name, got, res.Err)
				}
			}
			if now := w.shown(s2); now[0] != good {
				t.Errorf("I6: %s was written to: %q", s2, now)
			}
			w.shows = nil
			w.pass(time.Hour)
			w.settle(d)
			ends := "s2"
			if c.beside { // a fresh key took the place of the revoked one
				ends = "s1"
			}
			w.checkReady(d, ends)
		})
	}
}

// TestVanishedAtOneServer guards I2: a record that one server shows no more, while another one still has it, may be gone
// where it is written. It is published again, once in an hour at most.
func TestVanishedAtOneServer(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(2 * time.Hour)
	w.lacking("s1")
	writes := 0
	w.trouble = func(op string) trouble {
		if strings.HasPrefix(op, "publish") {
			writes++
		}
		return fine
	}
	for _, c := range []struct {
		after time.Duration
		most  int
	}{{0, 1}, {20 * time.Minute, 1}, {2 * time.Hour, 2}} {
		w.pass(c.after)
		w.engine().Settle(t.Context(), d, engine.Patience{}, nil)
		if writes != c.most {
			t.Errorf("%s later it was published again %d times, want %d", c.after, writes, c.most)
		}
	}
	w.shows = nil
	w.pass(time.Hour)
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestUnsignedNeedsOneServer guards I1: a host that was rebuilt, and signs with nothing, is given the key of the active
// selector though one of two servers lacks its record: without it its mail has no signature at all.
func TestUnsignedNeedsOneServer(t *testing.T) {
	for title, rebuilt := range map[string][]string{"one": {"mx1"}, "all": {"mx1", "mx2"}} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(8 * day)
			w.lacking("s1", "s2")
			for _, name := range rebuilt {
				w.hosts[name].leave(d.Name)
			}
			res := w.engine().Settle(t.Context(), d, engine.Patience{}, nil)
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); got != "s1" {
					t.Errorf("%s signs with %q; %v", name, got, res.Err)
				}
			}
		})
	}
}
