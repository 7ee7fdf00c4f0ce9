package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// movingWorld returns a world whose domain has begun to move over to other selectors, and waits until resolvers have
// forgotten that nothing stood there; why is what its parts refuse the first key with. Of three hosts two are listed.
func movingWorld(t *testing.T, why error) (*world, wish) {
	w, d := newWorld(t, "mx1", "mx2", "mx3"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d, w.lacks = elsewhere(d), why
	w.order(d, rotate.ChangeSelectors{})
	return w, d
}

// TestMoveServesHosts: while a domain moves over to other selectors, which waits for resolvers or is refused, hosts that
// are built again are given the key that was used before (I1), and its record stands (I2). Then they move over as well.
func TestMoveServesHosts(t *testing.T) {
	for title, why := range map[string]error{"it waits": nil, "it is refused": fault.Refuse(codes.NotAllowed, "the file system is read-only", "mount it for writing")} {
		for _, rebuilt := range [][]string{{"mx1"}, {"mx1", "mx2"}} {
			w, d := movingWorld(t, why)
			own := w.state(d.Name).Earlier["s1"].Key.Record
			w.spoil("s1", "")
			w.pass(time.Minute)
			w.engine().Advance(t.Context(), d)
			w.pass(time.Minute) // until both servers have it
			if shown := w.shown(nameAt("s1")); !slices.Equal(shown, []string{own, own}) {
				t.Errorf("%s: s1 shows %q", title, shown)
			}
			for _, name := range rebuilt {
				w.hosts[name].leave(d.Name)
			}
			w.pass(time.Minute)
			res := w.engine().Advance(t.Context(), d)
			for _, name := range rebuilt {
				if got := w.hosts[name].selector(d.Name); got != "s1" {
					t.Errorf("%s, %d hosts: %s signs with %q", title, len(rebuilt), name, got)
				}
			}
			if res.State.Active != "" {
				t.Fatalf("%s: the move is over", title)
			}
			w.lacks = nil
			for range 3 {
				w.pass(negative)
				w.soon(d)
			}
			w.checkReady(d, "a")
			if st := w.state(d.Name); len(st.Leftovers()) != 2 {
				t.Errorf("%s: the records of before may go: %v", title, st.Leftovers())
			}
		}
	}
}

// TestMoveBesideALostKey: while a domain moves and the keystore has lost the key that signs meanwhile, no step is planned
// that must fail for it: the run waits for the new keys, and a host that was built again is given the first of them (I1).
func TestMoveBesideALostKey(t *testing.T) {
	for title, lose := range map[string]func(*world, wish){
		"lost":        func(w *world, d wish) { keyLostAt(w, d, "s1") },
		"and another": func(w *world, d wish) { keyLostAt(w, d, "s1"); foreignSecretAt(w, d, "s1") },
	} {
		w, d := movingWorld(t, nil)
		lose(w, d)
		w.hosts["mx1"].leave(d.Name)
		w.pass(time.Minute)
		res := w.engine().Advance(t.Context(), d)
		says := repairs(res.State)
		if res.Err != nil || !strings.Contains(says, "restore that key from a backup") {
			t.Errorf("%s: %v; %s", title, res.Err, says)
		}
		for range 3 {
			w.pass(negative)
			w.soon(d)
		}
		w.checkReady(d, "a")
	}
}

// TestMoveServesHostsCrash: so they are wherever the process is killed meanwhile (I7): what a signer may use is noted
// before it is given it, also where it is never heard again.
func TestMoveServesHostsCrash(t *testing.T) {
	for at := 1; ; at++ {
		w, d := movingWorld(t, nil)
		d.Signers = append(d.Signers, "mx3")
		w.hosts["mx1"].leave(d.Name)
		w.pass(time.Minute)
		begun := w.points
		w.crashAt = begun + at
		w.engine().Advance(t.Context(), d)
		if w.points-begun < at {
			if at < 10 {
				t.Errorf("only %d points were found", at)
			}
			return
		}
		noted := slices.ContainsFunc(w.state(d.Name).Former, func(f rotate.Former) bool { return f.Signer == "mx3" })
		if w.hosts["mx3"].selector(d.Name) == "s1" && !noted {
			t.Errorf("killed at %d: nothing says that mx3 may use s1", at)
		}
		for range 4 {
			w.pass(time.Hour)
			w.soon(d)
		}
		w.checkReady(d, "a")
	}
}

// TestMoveServesNewSigners: a signer that comes into the configuration meanwhile is served as well. Its mail is waited
// for at the selector that it used (I2), and whether the switch may begin is asked as if it had not been there.
func TestMoveServesNewSigners(t *testing.T) {
	w, d := movingWorld(t, nil)
	d.Signers = append(d.Signers, "mx3")
	w.pass(time.Minute)
	w.engine().Advance(t.Context(), d)
	uses := func(f rotate.Former) bool { return f.Selector == "s1" && f.Signer == "mx3" && f.Until.IsZero() }
	st := w.state(d.Name)
	if !slices.ContainsFunc(st.Former, uses) || len(st.Signers) > 0 || st.Intent != nil || w.hosts["mx3"].selector(d.Name) != "s1" {
		t.Fatalf("mx3 signs with %q; former %+v, confirmed %v, intent %v", w.hosts["mx3"].selector(d.Name), st.Former, st.Signers,
			st.Intent)
	}
	asked := 0
	consent := w.asking(func(context.Context, rotate.Domain, rotate.Step) error { asked++; return nil })
	for range 2 {
		w.pass(negative)
		consent.Advance(t.Context(), d)
	}
	w.checkReady(d, "a")
	left := slices.DeleteFunc(w.state(d.Name).Former, func(f rotate.Former) bool { return f.Signer != "mx3" || f.Selector != "s1" })
	if asked != 1 || len(left) != 1 || left[0].Until.Sub(w.Now()) < 7*day {
		t.Errorf("asked %d times; %+v", asked, left)
	}
}

// TestMoveServesWhereTheNewKeyIsLost: where the private key is lost that some signers were moved over to already, one
// that is built again is given the key from before (I1), which others still use.
func TestMoveServesWhereTheNewKeyIsLost(t *testing.T) {
	w, d := halfMoved(t)
	w.keys[dkim.Name{Domain: d.Name, Selector: "a"}] = nil
	w.hosts["mx1"].leave(d.Name)
	w.pass(time.Minute)
	w.engine().Advance(t.Context(), d)
	if got := w.hosts["mx1"].selector(d.Name); got != "s1" {
		t.Errorf("mx1 signs with %q; %s", got, w.state(d.Name).LastError)
	}
	w.trouble = nil
	w.order(d, rotate.Rollback{})
	for range 2 {
		w.pass(negative)
		w.engine().Advance(t.Context(), d)
	}
	if st := w.state(d.Name); st.Active != "s1" || st.Phase != rotate.Ready || len(st.Drift) > 0 {
		t.Errorf("after the way back: %s, active %q, %v", st.Phase, st.Active, st.Drift)
	}
}

// TestMoveNamesWhoStaysBehind: a signer that was taken off the list during a move, and signs on with an old key, is
// named until it ceases, also when the move is over; its record stands as long (I2).
func TestMoveNamesWhoStaysBehind(t *testing.T) {
	w, d := movingWorld(t, nil)
	d.Signers = []string{"mx1"}
	for range 4 {
		w.pass(negative)
		w.engine().Advance(t.Context(), d)
		f := w.differs(d.Name, codes.SignerLeftOver)
		if f == nil || f.Signer != "mx2" || !strings.Contains(f.Message, "that mail verifies") || w.shown(nameAt("s1"))[0] == "" {
			t.Fatalf("phase %s: %+v; s1 shows %q", w.state(d.Name).Phase, f, w.shown(nameAt("s1")))
		}
	}
	w.checkReady(d, "a")
	w.hosts["mx2"].leave(d.Name)
	w.pass(time.Hour)
	w.engine().Advance(t.Context(), d)
	if f := w.differs(d.Name, codes.SignerLeftOver); f != nil {
		t.Errorf("it signs no more, and this is said: %s", f.Message)
	}
}
