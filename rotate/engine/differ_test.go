package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// differs reports whether the state of a domain says of a signer, or of all mail, what code says.
func (w *world) differs(domain string, code codes.Code) *finding.Finding {
	for _, f := range w.state(domain).Drift {
		if f.Code == code {
			return &f
		}
	}
	return nil
}

// TestMailFailsIsSaidAtOnce: where a signer can't leave a key that the same run revokes, that run says that its mail
// fails, and so does the state from then on; the next health check may be an hour away.
func TestMailFailsIsSaidAtOnce(t *testing.T) {
	for _, stuck := range []string{"mx1", "mx2"} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(time.Hour)
		w.trouble = failing("activate " + stuck)
		w.order(d, rotate.Compromised{})
		st := w.state(d.Name)
		if key := st.Selectors["s1"].Key; key.RevokedAt.IsZero() || w.hosts[stuck].selector(d.Name) != "s1" {
			t.Fatalf("%s signs with %q; %+v", stuck, w.hosts[stuck].selector(d.Name), key)
		}
		if w.differs(d.Name, codes.MailFails) == nil {
			t.Errorf("mail through %s fails, and that is not said: %v", stuck, st.Drift)
		}
	}
}

// TestRepairedIsSaidAtOnce: what a run has put in order is said no more, also where another of its steps failed.
func TestRepairedIsSaidAtOnce(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(time.Hour)
	w.hosts["mx1"].leave(d.Name)
	w.hosts["mx2"].leave(d.Name)
	w.trouble = failing("activate mx1")
	w.engine().Advance(t.Context(), d)
	if w.hosts["mx2"].selector(d.Name) != "s1" || w.differs(d.Name, codes.SignerEmpty) == nil {
		t.Fatalf("mx2 signs with %q; %v", w.hosts["mx2"].selector(d.Name), w.state(d.Name).Drift)
	}
	for _, f := range w.state(d.Name).Drift {
		if f.Signer == "mx2" {
			t.Errorf("mx2 signs again, and this is still said: %s", f.Message)
		}
	}
}

// TestMailFailsIsSaidInAMove: so it is while a domain moves over to other selectors, and after it.
func TestMailFailsIsSaidInAMove(t *testing.T) {
	w, d := movingWorld(t, nil)
	w.trouble = failing("activate mx1")
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}, RevokeNow: true})
	for range 4 {
		if w.hosts["mx1"].selector(d.Name) != "s1" {
			t.Fatalf("mx1 signs with %q", w.hosts["mx1"].selector(d.Name))
		}
		if w.differs(d.Name, codes.MailFails) == nil {
			t.Errorf("mx1's mail fails; said is %v", w.state(d.Name).Drift)
		}
		w.pass(negative)
		w.engine().Advance(t.Context(), d)
	}
}

// TestRevokedHalfWay: a compromised key from before a move to other selectors is revoked as soon as one signer signs
// with another key, also where a move that the report gives up had brought it there (I1: mail of that one verifies), and no
// other signer can be switched: the keystore does not answer.
func TestRevokedHalfWay(t *testing.T) {
	w, d := halfMoved(t)
	w.trouble = failing("get s1", "get s2", "get a", "get b", "put s1", "put s2", "activate mx1", "activate mx2")
	w.order(d, rotate.Compromised{})
	if e := w.event(d, rotate.Revoke); e.Outcome != codes.OutcomeDone || e.Selector != "s1" {
		t.Errorf("%+v; %s", e, w.state(d.Name).LastError)
	}
}
