package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestMisledName: DNS answers that one selector's name leads to nothing, as a CNAME in a circle does.
// No signer is sent there, whatever is ordered: mail signed with the other key goes on verifying
// unless its revocation was ordered (I1, I2). Once the name is put right, all goes on.
func TestMisledName(t *testing.T) {
	settled := func(w *world, d wish) {
		w.settle(d)
		w.pass(day)
	}
	for title, tt := range map[string]struct {
		before func(*world, wish)
		active string
		order  rotate.Instruction
		ends   string
	}{
		"compromised":           {settled, "s1", rotate.Compromised{}, "s2"},
		"revoke now":            {settled, "s1", rotate.Compromised{RevokeNow: true}, "s1"},
		"compromised, draining": {func(w *world, d wish) { w.switched(d); w.pass(time.Hour) }, "s2", rotate.Compromised{}, "s1"},
		"rolled back":           {func(w *world, d wish) { w.switched(d); w.pass(time.Hour) }, "s2", rotate.Rollback{}, "s2"},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			tt.before(w, d)
			w.misled = d.Policy.Other(tt.active)
			res := w.order(d, tt.order)
			o, compromised := tt.order.(rotate.Compromised)
			if fault.CodeOf(res.Err) != "cname-loop" {
				t.Errorf("it ended with %v", res.Err)
			}
			for range 3 {
				w.pass(time.Hour)
				w.engine().Advance(t.Context(), d)
			}
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); got != tt.active {
					t.Errorf("I1: %s signs with %q, which DNS does not show", name, got)
				}
			}
			fresh := w.state(d.Name).Selectors[tt.active].Key.Leaked.IsZero() // it took the revoked one's place
			if got := len(w.events(d, rotate.Revoke)) > 0; got != o.RevokeNow || compromised && fresh != o.RevokeNow {
				t.Errorf("I2: revoked: %t, fresh: %t", got, fresh)
			}
			if said := fmt.Sprint(res.Err) + fault.HintOf(res.Err); compromised && !o.RevokeNow &&
				!strings.Contains(said, "--revoke-now") {
				t.Errorf("it does not say that mail signed with the key still verifies: %s", said)
			}
			w.misled = ""
			w.settle(d)
			w.checkReady(d, tt.ends)
		})
	}
}

// TestMisledActiveName: where every server leads the active selector's name nowhere, all mail fails, and signers go to the
// other selector by themselves, also where the key is compromised. Once the name is put right, all goes on (I2).
func TestMisledActiveName(t *testing.T) {
	for title, req := range map[string]rotate.Instruction{"by itself": nil, "compromised": rotate.Compromised{}} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(9 * day)
			w.misled = "s1"
			res := w.order(d, req)
			if fault.CodeOf(res.Err) != "cname-loop" || plantest.Findings(res.State.Drift) != "record-unseen s1!" {
				t.Errorf("it ended with %v, %s", res.Err, plantest.Findings(res.State.Drift))
			}
			w.signsWith(d, "s2")
			w.misled = ""
			w.pass(time.Hour)
			if res = w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready || len(res.State.Drift) > 0 {
				t.Errorf("the name is right again: %v, phase %s, %s", res.Err, res.State.Phase, plantest.Findings(res.State.Drift))
			}
			w.signsWith(d, "s2")
		})
	}
}

// TestRevokedByOthers: somebody has put a revoked record in the place of dkimbot's. The hint says to
// report the key; when that is done it says to remove the record, and does not lead back to itself.
func TestRevokedByOthers(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(day)
	w.spoil("s1", "v=DKIM1; k=rsa; n=by hand; p=")
	res := w.engine().Advance(t.Context(), d)
	if hint := fault.HintOf(res.Err); !strings.Contains(hint, "--compromised --selector s1") {
		t.Fatalf("%v; hint %q", res.Err, hint)
	}
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	for range 3 {
		w.pass(time.Hour)
		res = w.engine().Advance(t.Context(), d)
	}
	hint := fault.HintOf(res.Err)
	if strings.Contains(hint, "--compromised") || !strings.Contains(hint, "remove it") {
		t.Errorf("%v; hint %q", res.Err, hint)
	}
	w.spoil("s1", "")
	w.settle(d)
	w.checkReady(d, "s2")
}
