package engine_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestLookedAtBeforeNoReturn: a signer that comes back from a backup while a run waits,
// after all signers had said that they left the key, keeps the key from being replaced,
// destroyed or purged (I1, I2).
func TestLookedAtBeforeNoReturn(t *testing.T) {
	tests := map[string]struct {
		prepare func(*world, wish)
		at      string // the operation before which mx2 comes back
		never   string // what must not happen in that run
	}{
		"replaced": {(*world).drained, "put s1", "publish s1"},
		"destroyed": {func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("destroy s1")
			w.engine().Advance(t.Context(), d)
			w.trouble = nil
		}, "", "destroy s1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			tt.prepare(w, d)
			happened := false
			asked := 0
			w.trouble = func(op string) trouble {
				switch {
				case op == tt.never:
					happened = true
				case op == tt.at && tt.at != "":
					w.mu.Unlock()
					w.hosts["mx2"].restore(d.Name, 1)
					w.mu.Lock()
				case op == "ask mx2" && tt.at == "":
					if asked++; asked == 2 { // the first time is when the run begins
						w.mu.Unlock()
						w.hosts["mx2"].restore(d.Name, 1)
						w.mu.Lock()
					}
				}
				return fine
			}
			res := w.engine().Advance(t.Context(), d)
			faulttest.Shown(t, res.Err)
			if fault.CodeOf(res.Err) != codes.SignerStrays || happened {
				t.Fatalf("%v; %s happened: %v", res.Err, tt.never, happened)
			}
			w.trouble = nil
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestSilentBeforeNoReturn: a signer that stops answering in the middle of a run keeps its
// key from being replaced, as one that uses it does (I2).
func TestSilentBeforeNoReturn(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.drained(d)
	asked, happened := 0, false
	w.trouble = func(op string) trouble {
		if happened = happened || op == "publish s1"; op == "ask mx2" {
			if asked++; asked > 1 {
				return failing(op)(op)
			}
		}
		return fine
	}
	res := w.engine().Advance(t.Context(), d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "signer-unseen" || happened {
		t.Fatalf("%v; published: %v", res.Err, happened)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestCompromisedIsNotSpared: a compromised key that was left is destroyed also while a signer that has confirmed another
// one does not answer: what it would sign with the revoked key fails anyhow.
func TestCompromisedIsNotSpared(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	old := w.state(d.Name).Selector("s1").Key.ID
	w.hosts["mx2"].silent = true
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	for _, key := range w.live(dkim.Name{Domain: d.Name, Selector: "s1"}) {
		if key.ID() == old {
			t.Error("the compromised key is kept")
		}
	}
}
