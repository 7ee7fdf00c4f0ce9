package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// honest is mail that shows what the host signs with.
func (h *host) honest(domain string) ([]dkim.Ref, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if u := h.inUse(domain); u != nil {
		return []dkim.Ref{u.ref}, nil
	}
	return []dkim.Ref{}, nil
}

var errNoMail = &fault.Error{Kind: fault.Transient, Code: codes.ProbeFailed, What: "send a probe",
	Err: errors.New("it did not arrive"), Hint: "see the log"}

// lost is mail that does not arrive.
func lostMail(string) ([]dkim.Ref, error) { return nil, errNoMail }

// shows is mail that is signed with these keys, whatever the host says.
func mailShows(refs ...dkim.Ref) func(string) ([]dkim.Ref, error) {
	return func(string) ([]dkim.Ref, error) { return refs, nil }
}

// refAt is the key at a selector as the state has it.
func (w *world) refAt(d wish, selector string) dkim.Ref {
	return dkim.Ref{Name: dkim.Name{Domain: d.Name, Selector: selector}, KeyID: w.state(d.Name).Selectors[selector].Key.ID}
}

// TestMailProvesSwitch guards I10: a switch whose mail shows the old selector, two signatures or none, or of which no
// message arrives, is not confirmed, however often it is tried, and no drain begins; when mail shows it, it is.
func TestMailProvesSwitch(t *testing.T) {
	for name, lie := range map[string]func(w *world, d wish) func(string) ([]dkim.Ref, error){
		"old": func(w *world, d wish) func(string) ([]dkim.Ref, error) { return mailShows(w.refAt(d, "s1")) },
		"two": func(w *world, d wish) func(string) ([]dkim.Ref, error) {
			return mailShows(w.refAt(d, "s1"), w.refAt(d, "s2"))
		},
		"none": func(w *world, d wish) func(string) ([]dkim.Ref, error) { return mailShows() },
		"lost": func(*world, wish) func(string) ([]dkim.Ref, error) { return lostMail },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			h := w.hosts["mx2"]
			h.mail = h.honest
			w.settle(d)
			h.mail = lie(w, d)
			d.Asked = true
			for range 3 {
				res := w.engine().Advance(t.Context(), d)
				want := codes.MailDiffers
				if name == "lost" {
					want = codes.ProbeFailed
				}
				if fault.CodeOf(res.Err) != want || res.State.Phase != rotate.Switching || res.State.NextTry.IsZero() {
					t.Fatalf("%v; phase %s, next try %v", res.Err, res.State.Phase, res.State.NextTry)
				}
				w.pass(2 * time.Hour)
			}
			h.mail = h.honest
			if res := w.engine().Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining {
				t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
			}
			w.pass(8 * day)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestFlightWithoutMail: signers leave a compromised key also while no mail can be seen, or while mail shows two other
// signatures, and the history says so; while mail still shows that key, its record stays (I1).
func TestFlightWithoutMail(t *testing.T) {
	for name, holds := range map[string]bool{"lost": false, "other": false, "still in use": true} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			h := w.hosts["mx1"]
			h.mail = h.honest
			w.settle(d)
			old := w.refAt(d, "s1")
			h.mail = map[string]func(string) ([]dkim.Ref, error){"lost": lostMail, "still in use": mailShows(old),
				"other": mailShows(w.refAt(d, "s2"), dkim.Ref{Name: dkim.Name{Domain: d.Name, Selector: "relay"}})}[name]
			d.Instruction = rotate.Compromised{}
			for range 4 {
				w.engine().Advance(context.Background(), d)
				w.pass(2 * time.Hour)
				d.Instruction = nil
			}
			if h.selector(d.Name) != "s2" {
				t.Errorf("it signs with %s", h.selector(d.Name))
			}
			if left := w.state(d.Name).Phase != rotate.Switching; left == holds {
				t.Errorf("phase %s", w.state(d.Name).Phase)
			}
			if revoked := !w.state(d.Name).Selectors["s1"].Key.RevokedAt.IsZero(); holds && revoked {
				t.Error("it was revoked, and all mail is signed with it")
			}
			if said := w.happened(d, "mail does not show it, and the other key is compromised"); said == holds {
				t.Errorf("the history says it: %v", said)
			}
			h.mail = h.honest
			w.pass(8 * day)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestFlightFromLostHost: signers leave a compromised key although another host behind one of them is not heard of, and
// the history says so; any other switch waits for it (I1, I2).
func TestFlightFromLostHost(t *testing.T) {
	for name, flees := range map[string]bool{"compromised": true, "a rotation": false} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			h := w.hosts["mx1"]
			w.settle(d)
			h.twin = &fault.Error{Kind: fault.Transient, Code: codes.AgentLost, What: "switch mx1",
				Err: errors.New("a host is not heard of"), Hint: "say that it is gone"}
			if d.Asked = !flees; flees {
				d.Instruction = rotate.Compromised{}
			}
			for n := range 4 {
				w.engine().Advance(t.Context(), d)
				if switches := len(w.events(d, rotate.Activate)); n == 0 && (len(w.events(d, rotate.Revoke)) == 1) != flees ||
					flees && switches != 2 {
					t.Errorf("after run %d: switched %d times, revoked: %+v", n, switches, w.events(d, rotate.Revoke))
				}
				w.pass(2 * time.Hour)
				d.Instruction = nil
			}
			if h.selector(d.Name) != "s2" {
				t.Errorf("it signs with %s", h.selector(d.Name))
			}
			if left := w.state(d.Name).Phase != rotate.Switching; left != flees {
				t.Errorf("phase %s", w.state(d.Name).Phase)
			}
			if said := w.happened(d, "not every host is known to have switched"); said != flees {
				t.Errorf("the history says it: %v", said)
			}
			h.twin = nil
			w.pass(8 * day)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestFlightPastTheConfiguration: so they do where the policy names other selectors by now, as after a move that a report
// has ended: what counts is which selectors the domain has.
func TestFlightPastTheConfiguration(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(time.Hour)
	for _, h := range w.hosts {
		h.twin = &fault.Error{Kind: fault.Transient, Code: codes.AgentLost, What: "switch " + h.name,
			Err: errors.New("a host is not heard of"), Hint: "say that it is gone"}
	}
	w.order(elsewhere(d), rotate.Compromised{})
	if st, e := w.state(d.Name), w.event(d, rotate.Revoke); e.Outcome != codes.OutcomeDone || w.hosts["mx1"].selector(d.Name) != "s2" {
		t.Errorf("mx1 signs with %q, and s1 is not revoked: %s", w.hosts["mx1"].selector(d.Name), st.LastError)
	}
}

// TestMailSparesKeys guards I2: a key that only mail shows in use is neither replaced nor destroyed, nor one of which no
// mail can be seen, or only mail that is not signed.
func TestMailSparesKeys(t *testing.T) {
	for name, lie := range map[string]func(w *world, d wish) func(string) ([]dkim.Ref, error){
		"in use": func(w *world, d wish) func(string) ([]dkim.Ref, error) { return mailShows(w.refAt(d, "s1")) },
		"unknown key": func(w *world, d wish) func(string) ([]dkim.Ref, error) {
			return mailShows(dkim.Ref{Name: dkim.Name{Domain: d.Name, Selector: "s1"}})
		},
		"unsigned": func(w *world, d wish) func(string) ([]dkim.Ref, error) { return mailShows() },
		"lost":     func(*world, wish) func(string) ([]dkim.Ref, error) { return lostMail },
	} {
		for _, step := range []string{"publish s1", "destroy s1"} {
			t.Run(name+" "+step, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				h := w.hosts["mx1"]
				h.mail = h.honest
				w.drained(d)
				mail := lie(w, d)
				happened, reached := false, false
				w.trouble = func(op string) trouble {
					if op == "put s1" && step == "publish s1" || op == "publish s1" && step == "destroy s1" {
						reached, h.mail = true, mail
					}
					happened = happened || op == step
					return fine
				}
				for range 30 { // also past the hour of the health check
					res := w.engine().Advance(t.Context(), d)
					if code := fault.CodeOf(res.Err); code == codes.SignerUnseen || code == codes.SignerStrays {
						faulttest.Shown(t, res.Err)
					}
					w.pass(time.Hour)
				}
				if happened || !reached {
					t.Fatalf("%s happened: %v; mail lied before: %v", step, happened, reached)
				}
				w.trouble, h.mail = nil, h.honest
				w.pass(8 * day)
				w.settle(d)
				w.checkReady(d, "s2")
			})
		}
	}
}

// TestMailInHealthCheck: once a day mail is asked for each domain; mail that shows another key is drift, and is
// repaired. Mail that can't be seen changes nothing.
func TestMailInHealthCheck(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	h := w.hosts["mx1"]
	h.mail = h.honest
	w.settle(d)
	asked := 0
	count := func(mail func(string) ([]dkim.Ref, error)) func(string) ([]dkim.Ref, error) {
		return func(domain string) ([]dkim.Ref, error) { asked++; return mail(domain) }
	}
	h.mail = count(h.honest)
	for range 48 {
		w.engine().Advance(t.Context(), d)
		w.pass(time.Hour)
	}
	if asked != 2 {
		t.Errorf("mail was asked %d times in two days", asked)
	}
	h.mail = lostMail
	for range 24 {
		if res := w.engine().Advance(t.Context(), d); res.Err != nil {
			t.Fatal(res.Err)
		}
		w.pass(time.Hour)
	}
	h.mail = mailShows(w.refAt(d, "s2"))
	repaired := false
	w.trouble = func(op string) trouble { repaired = repaired || op == "activate mx1"; return fine }
	for range 24 {
		w.engine().Advance(t.Context(), d)
		w.pass(time.Hour)
	}
	if !repaired || w.state(d.Name).LastError == "" {
		t.Errorf("repaired: %v; last error %q", repaired, w.state(d.Name).LastError)
	}
	w.trouble = nil
	h.mail = h.honest
	w.pass(day)
	w.settle(d)
	w.checkReady(d, "s1")
}
