package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/keyring"
)

// TestOlderKeysGoAfterAdoption: a key that was to be destroyed when the process died, and of which a lost or older state
// says nothing, is destroyed by the adoption, in the keystore and on the signers (I5); not while one signs with it (I1).
func TestOlderKeysGoAfterAdoption(t *testing.T) {
	for title, used := range map[string]bool{"no signer uses it": false, "a signer that can't be switched uses it": true} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(8 * day)
			s1 := dkim.Name{Domain: d.Name, Selector: "s1"}
			old := dkim.Ref{Name: s1, KeyID: w.state(d.Name).Selectors["s1"].Key.ID}
			w.order(d, rotate.Compromised{})
			w.settle(d)
			w.pass(8 * day)
			w.settle(d)
			w.keys[s1][0] = w.backups[old] // the process died before it was destroyed
			h := w.hosts["mx2"]
			h.files[old] = w.backups[old]
			if used {
				h.astray(h.begin(old, 0))
				h.stuck = errors.New("its tables can't be written")
			}
			w.restoreState(rotate.State{Domain: d.Name, Phase: rotate.New})
			e := w.engine()
			a, err := keyring.InKeystore(t.Context(), e.Keys, e.Look, d.Name, d.Policy.Selectors[:])
			if err != nil {
				t.Fatal(err)
			}
			a.Active = "s2"
			res := e.Adopt(t.Context(), d, a)
			_, kept := h.files[old]
			if has := w.keys[s1][0] != nil; has != used || kept != used {
				t.Errorf("after the adoption, the keystore holds it: %t, the signer: %t; %v", has, kept, res.Err)
			}
			h.stuck = nil
			for range 3 {
				w.pass(time.Hour)
				w.settle(d)
			}
			_, kept = h.files[old]
			if st := w.state(d.Name); len(w.live(s1)) != 1 || kept || st.Phase != rotate.Ready ||
				slices.ContainsFunc(st.Selectors["s1"].Retired, func(r rotate.Retired) bool { return r.Older }) {
				t.Errorf("phase %s, %d keys at s1, the signer has it: %t; %v", st.Phase, len(w.live(s1)), kept, res.Err)
			}
		})
	}
}
