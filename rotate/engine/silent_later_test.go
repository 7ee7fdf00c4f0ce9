package engine_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestSilentLater: of a signer that answers when a run begins, and not directly before a compromised key is destroyed,
// it is said that it does not answer, and not that it signs with nothing. The key is destroyed all the same where the
// signer has confirmed another one, and kept where it has never confirmed any: it may have been given this one (I1).
func TestSilentLater(t *testing.T) {
	for title, known := range map[string]bool{"has confirmed another": true, "never confirmed any": false} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.switched(d)
			st := w.state(d.Name)
			old := st.Selector("s1").Key.ID
			if !known {
				delete(st.Signers, "mx2")
				w.restoreState(st)
			}
			asked := 0
			w.trouble = func(op string) trouble {
				if op == "ask mx2" {
					if asked++; asked > 1 {
						return refused
					}
				}
				return fine
			}
			w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
			kept := slices.ContainsFunc(w.live(dkim.Name{Domain: d.Name, Selector: "s1"}),
				func(k *dkim.PrivateKey) bool { return k.ID() == old })
			if kept == known || asked < 2 {
				t.Errorf("the compromised key is kept: %t; mx2 was asked %d times", kept, asked)
			}
			if drift := w.state(d.Name).Drift; !slices.ContainsFunc(drift, func(f finding.Finding) bool {
				return f.Code == codes.SignerSilent && f.Signer == "mx2"
			}) {
				t.Errorf("what differs is %+v", drift)
			}
		})
	}
}

// TestReplacedUnheard: that another host of a signer is not heard of keeps a released domain's key from being destroyed,
// and no drained one from being replaced: that host has confirmed the switch (I10).
func TestReplacedUnheard(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.hosts["mx1"].unheard = errors.New("another host is not heard of")
	if res := w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Errorf("%v; it is %s", res.Err, res.State.Phase)
	}
	w.checkReady(d, "s2")
}
