package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// panel has a DNS panel write the record of dkimbot's key at a selector again, with another tag, and returns the one
// that stood there.
func (w *world) panel(d wish, selector, tag string) (own string) {
	own = w.state(d.Name).Selectors[selector].Key.Record
	w.spoil(selector, strings.Replace(own, "v=DKIM1; ", tag+"; ", 1))
	return own
}

// TestRewrittenRecord: a DNS panel gave the active record other tags, and mail verifies by it. A host that was built
// again is given its key, the rotation goes on, and the record goes with its key (I1, I6).
func TestRewrittenRecord(t *testing.T) {
	for _, selector := range []string{"s1", "s2"} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(9 * day)
		w.panel(d, selector, "t=s")
		w.hosts["mx1"].leave(d.Name)
		w.hosts["mx2"].leave(d.Name)
		res := w.order(d, nil)
		if res.Err != nil || plantest.Findings(res.State.Drift) != "record-rewritten "+selector {
			t.Fatalf("%s: the health check: %v; %s", selector, res.Err, plantest.Findings(res.State.Drift))
		}
		for name, h := range w.hosts {
			if got := h.selector(d.Name); got != "s1" {
				t.Errorf("%s: %s signs with %q", selector, name, got)
			}
		}
		if shown := w.shown(selector + "._domainkey." + d.Name); !strings.HasPrefix(shown[0], "t=s") {
			t.Errorf("%s: the record was changed while its key stands: %q", selector, shown)
		}
		for _, active := range []string{"s2", "s1"} {
			w.pass(9 * day)
			d.Asked = true
			w.engine().Advance(t.Context(), d)
			d.Asked = false
			w.pass(9 * day)
			w.settle(d)
			w.checkReady(d, active)
		}
		if found := w.state(d.Name).Drift; len(found) > 0 {
			t.Errorf("%s: when both keys were replaced: %+v", selector, found)
		}
	}
}

// TestRewrittenAndCompromised: a compromised key is revoked also where somebody gave its record other tags (I5).
func TestRewrittenAndCompromised(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(9 * day)
	w.panel(d, "s1", "h=sha256")
	res := w.order(d, rotate.Compromised{})
	if res.Err != nil || len(w.events(d, rotate.Revoke)) != 1 || len(w.state(d.Name).Drift) > 0 {
		t.Errorf("%v; revoked %d times; %+v", res.Err, len(w.events(d, rotate.Revoke)), w.state(d.Name).Drift)
	}
}

// TestRewrittenOfNoUse: mail fails, or counts as unsigned, by what a DNS panel made of the active record. Signers leave
// it by themselves, also a host that was built again. Every way that the hint names leads out when it is followed as it
// stands (I1).
func TestRewrittenOfNoUse(t *testing.T) {
	for _, tag := range []string{"v=DKIM1; t=y", "v=DKIM1; h=sha1"} {
		for way, walk := range map[string]func(*world, string){
			"write there again what 'dkimbot status --domain example.com --json' shows": func(w *world, own string) { w.spoil("s1", own) },
			"remove it: dkimbot then publishes its own again":                           func(w *world, _ string) { w.spoil("s1", "") },
		} {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(9 * day)
			own := w.panel(d, "s1", tag)
			w.hosts["mx2"].leave(d.Name)
			res := w.order(d, nil)
			if fault.CodeOf(res.Err) != codes.ForeignRecord || !strings.Contains(fault.HintOf(res.Err), way) {
				t.Fatalf("%s: %v; %s; want the way: %s", tag, res.Err, fault.HintOf(res.Err), way)
			}
			for range 2 {
				if res.State.Phase != rotate.Draining {
					t.Errorf("%s: %s: %v, phase %s", tag, way, res.Err, res.State.Phase)
				}
				for name, h := range w.hosts {
					if got := h.selector(d.Name); got != "s2" {
						t.Errorf("%s: %s: %s signs with %q", tag, way, name, got)
					}
				}
				walk(w, own)
				w.pass(time.Hour)
				if res = w.order(d, nil); res.Err != nil {
					t.Errorf("%s: %s: %v", tag, way, res.Err)
				}
			}
		}
	}
}

// TestRewrittenAdopt: who takes dkimbot's own rewritten key for one to adopt comes out where everybody comes out.
func TestRewrittenAdopt(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(9 * day)
	w.panel(d, "s1", "t=s")
	if res := w.fromKeystore(d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Errorf("what the keystore holds: %v, phase %s", res.Err, res.State.Phase)
	}
	a := rotate.Adoption{Keys: []dkim.SigningKey{w.backupOf("s1")}}
	if res := w.engine().Adopt(t.Context(), d, a); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Errorf("its file: %v, phase %s", res.Err, res.State.Phase)
	}
}

// TestBothInTestMode: somebody has put both records in test mode, so that mail counts as unsigned whichever key it is
// signed with. A compromised key is left and revoked all the same (I5); one that nobody can use in DNS is revoked, too.
func TestBothInTestMode(t *testing.T) {
	for _, c := range []struct {
		name, at1, at2, signs string
		order                 rotate.Compromised
		says                  string
	}{
		{"both in test mode", "v=DKIM1; t=y", "v=DKIM1; t=y", "s2", rotate.Compromised{}, ""},
		{"the compromised one in test mode", "v=DKIM1; t=y", "", "s2", rotate.Compromised{}, ""},
		{"the compromised one of no use", "v=DKIM1; h=sha1", "", "s2", rotate.Compromised{}, ""},
		{"the other one in test mode", "", "v=DKIM1; t=y", "s1", rotate.Compromised{}, "--revoke-now"},
		{"the other one of no use", "v=DKIM1; t=y", "v=DKIM1; h=sha1", "s1", rotate.Compromised{}, "--revoke-now"},
		// a fresh key takes its place
		{"the other one in test mode, revoke now", "", "v=DKIM1; t=y", "s1", rotate.Compromised{RevokeNow: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.lag = 0
			w.settle(d)
			w.pass(9 * day)
			for selector, tag := range map[string]string{"s1": c.at1, "s2": c.at2} {
				if tag != "" {
					w.panel(d, selector, tag)
				}
			}
			w.order(d, nil) // the health check finds it first, and signers may leave s1 for s2
			c.order.Selectors = []string{"s1"}
			w.pass(time.Hour)
			res := w.order(d, c.order)
			for name, h := range w.hosts {
				if got := h.selector(d.Name); got != c.signs {
					t.Errorf("%s signs with %q: %v", name, got, res.Err)
				}
			}
			if revoked := len(w.events(d, rotate.Revoke)) > 0; revoked != (c.signs == "s2" || c.order.RevokeNow) {
				t.Errorf("s1 shows %q: %v", w.shown("s1._domainkey.example.com"), res.Err)
			}
			if c.signs == "s1" && !strings.Contains(w.shown("s1._domainkey.example.com")[0], c.at1) {
				t.Errorf("the record of a key that is not left was changed: %q", w.shown("s1._domainkey.example.com"))
			}
			if !strings.Contains(fault.HintOf(res.Err), c.says) {
				t.Errorf("it says %v; %s", res.Err, fault.HintOf(res.Err))
			}
		})
	}
}
