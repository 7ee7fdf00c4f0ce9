package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestIntentSaysWhen: an intent that is not confirmed says since when (I7).
func TestIntentSaysWhen(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.trouble = failing("publish s1")
	w.engine().Advance(t.Context(), d)
	if i := w.state(d.Name).Intent; i == nil || i.Kind != rotate.Publish || !i.At.Equal(w.Now()) {
		t.Errorf("I7: the intent is %+v", i)
	}
}

// TestNamedIsWhatContinues: what a limit holds back after the thing that a person has named was begun is waited for,
// and not refused.
func TestNamedIsWhatContinues(t *testing.T) {
	for title, astray := range map[string]bool{"nothing to repair": false, "a signer to bring back": true} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.now = time.Date(2026, 2, 2, 4, 0, 0, 0, time.UTC) // a rotation is due
		if astray {
			w.hosts["mx1"].leave(d.Name)
			w.pass(2 * hostLag)
		}
		d.Named, d.Limits = true, rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 1 1 *", Duration: 60 * day,
			Timezone: "UTC", Key: "limits.freezes[0]"}}}
		res := w.engine().Advance(t.Context(), d)
		if (fault.CodeOf(res.Err) == codes.Freeze) == astray || astray && (res.Err != nil || res.Plan.Held == "") {
			t.Errorf("%s: %v; held by %q", title, res.Err, res.Plan.Held)
		}
	}
}

// TestRevocationNamesTheKey: the history names the key that was revoked.
func TestRevocationNamesTheKey(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	key := w.state(d.Name).Selectors["s1"].Key.ID
	w.order(d, rotate.Compromised{})
	if e := w.event(d, rotate.Revoke); e.KeyID != key {
		t.Errorf("%+v, want key %s", e, key)
	}
}

// TestLookKeepsWhatComesNext: a look at a record that is written before what follows it has begun leaves in the state
// what comes next.
func TestLookKeepsWhatComesNext(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.bootstrapped(d)
	saves := 0
	w.trouble = func(op string) trouble {
		if op == "save" {
			if saves++; saves > 1 {
				return refused
			}
		}
		return fine
	}
	w.engine().Advance(t.Context(), d)
	events := w.events(d, rotate.Verify)
	if st := w.state(d.Name); len(events) != 3 || st.Intent != nil || st.Next == nil || st.Next.Action != rotate.Activate {
		t.Errorf("next is %+v, after %d looks", st.Next, len(events))
	}
}

// taken answers that somebody else's selector holds a name.
type taken struct{ ports.Names }

func (taken) Claim(context.Context, string, dkim.Name) (dkim.Name, error) {
	return dkim.Name{Domain: "example.org", Selector: "s1"}, nil
}

// TestNamesAreClaimedFirst: nothing is published at a name that another domain holds by now (I3, I6).
func TestNamesAreClaimedFirst(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	parts := w.engine().Parts
	parts.Names = taken{parts.Names}
	res := newEngine(parts).Advance(t.Context(), d)
	if got := w.shown("s1._domainkey.example.com")[0]; fault.CodeOf(res.Err) != codes.SharedName || got != "" {
		t.Errorf("%v; published: %q", res.Err, got)
	}
}

// TestCompromisedIsReplacedAtOnce: a compromised key's record is replaced though a signer has come back to it
// meanwhile: its mail is to fail.
func TestCompromisedIsReplacedAtOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	w.trouble = func(op string) trouble {
		if h := w.hosts["mx1"]; op == "put s1" && h.inUse(d.Name).ref.Selector == "s2" {
			old := h.uses[0].ref
			h.files[old] = w.backups[old]
			h.astray(h.begin(old, 0))
		}
		return fine
	}
	w.order(d, rotate.Compromised{})
	st := w.state(d.Name)
	if record := st.Selector("s1").Wanted().Record; w.shown("s1._domainkey.example.com")[0] != record {
		t.Errorf("DNS shows %q, and not %q; %s", w.shown("s1._domainkey.example.com"), record, st.LastError)
	}
}

// TestPublishedWithoutKeystore: a record that has vanished is published again while the keystore does not answer; one
// that never was public is not, since its key may be lost (I2, I4).
func TestPublishedWithoutKeystore(t *testing.T) {
	for title, tt := range map[string]struct {
		reach func(*world, wish)
		op    string
		again bool
	}{
		"vanished": {func(w *world, d wish) { w.settle(d); w.spoil("s1", "") }, "publish s1", true},
		"fresh": {func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), d)
		}, "publish s1", false},
		"first": {func(w *world, d wish) {
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), d)
		}, "publish s1", false},
	} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		tt.reach(w, d)
		w.pass(time.Hour)
		again := false
		w.pause = func(op string) { again = again || op == tt.op }
		w.trouble = failing("get s1", "get s2")
		if w.engine().Advance(t.Context(), d); again != tt.again {
			t.Errorf("%s: published: %t", title, again)
		}
	}
}

// TestOnlySwitchesCount: a domain that is brought up, and a signer that is brought back, take no room from those that
// switch, and a switch does so once.
func TestOnlySwitchesCount(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	counted := func() int {
		begun, err := w.store.Switches(t.Context(), w.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(begun)
	}
	w.counted(0, 1).Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
	w.hosts["mx1"].leave(d.Name)
	if res := w.counted(0, 1).Advance(t.Context(), d); res.Err != nil || counted() != 0 {
		t.Errorf("%v; %d have begun to switch", res.Err, counted())
	}
	w.pass(8 * day)
	if res := w.counted(0, 1).Advance(t.Context(), asked(d)); res.Err != nil || counted() != 1 {
		t.Errorf("%v; %d have begun to switch", res.Err, counted())
	}
}

// TestForwardIsNoWayBack: what keeps the rest of a rotation from being done is told also when the run has completed
// its switch (true words).
func TestForwardIsNoWayBack(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.halfSwitched(d)
	w.spoil("s1", plantest.ForeignRecord)
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Draining {
		t.Errorf("%v; it is %s", res.Err, res.State.Phase)
	}
}

// TestShelterSaysWhy: the history says why a signer is given the active key in the middle of a switch.
func TestShelterSaysWhy(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.halfSwitched(d)
	w.hosts["mx2"].leave(d.Name)
	w.pass(2 * hostLag)
	w.trouble = failing("get s2")
	w.engine().Advance(t.Context(), d)
	if e := w.event(d, rotate.Activate); e.Selector != "s1" || e.Signer != "mx2" || e.Outcome != codes.OutcomeDone ||
		!strings.Contains(e.Message, "sign") {
		t.Errorf("%+v", e)
	}
}

// misnamed says that it signs with another key, or selector, than it does.
type misnamed struct {
	ports.Signer
	selector, keyID string
}

func (m misnamed) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, err := m.Signer.Active(ctx, domains)
	for d, ref := range active {
		if m.selector != "" {
			ref.Selector = m.selector
		}
		if m.keyID != "" {
			ref.KeyID = m.keyID
		}
		active[d] = ref
	}
	return active, err
}

// TestSwitchIsSeen: a switch counts when the signer says that it signs with the key, at its selector (I1).
func TestSwitchIsSeen(t *testing.T) {
	for title, m := range map[string]misnamed{"another key": {keyID: "another"}, "another selector": {selector: "s2"}} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bootstrapped(d)
		parts := w.engine().Parts
		m.Signer = parts.Signers["mx1"]
		parts.Signers = map[string]ports.Signer{"mx1": m}
		res := newEngine(parts).Advance(t.Context(), d)
		if res.Err == nil || !strings.Contains(res.Err.Error(), "asked afterwards") || len(res.State.Signers) > 0 {
			t.Errorf("%s: %v; confirmed are %+v", title, res.Err, res.State.Signers)
		}
	}
}

// TestEachKeyIsDestroyed: of two keys that are to be destroyed at a selector, one that can't be keeps back no other,
// none goes before its intent is written, and the history says which it was, and whether it was there (I5, I7).
func TestEachKeyIsDestroyed(t *testing.T) {
	for title, tt := range map[string]struct {
		trouble func(string) trouble
		left    []int // of the versions of the keys to destroy
	}{
		"the first fails":      {onceFailing("destroy s2", 1), []int{2}},
		"its intent can't be":  {onceFailing("save", 1), []int{2}},
		"nothing fails":        {nil, nil},
		"it is missing before": {nil, nil},
		"a signer keeps it":    {onceFailing("forget mx1", 1), []int{}},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(8 * day)
			name, st := dkim.Name{Domain: d.Name, Selector: "s2"}, w.state(d.Name)
			for version := 2; version <= 3; version++ {
				key, err := dkim.Generate(dkim.Ed25519)
				if err != nil {
					t.Fatal(err)
				}
				w.keys[name] = append(w.keys[name], key)
				sel := st.Selectors["s2"]
				sel.Retired = append(sel.Retired, rotate.Retired{KeyID: key.ID(), Version: version, Dropped: true})
			}
			w.restoreState(st)
			missing := title == "it is missing before"
			if missing {
				w.keys[name] = w.keys[name][:1]
			}
			w.trouble = tt.trouble
			res := w.engine().Advance(t.Context(), d)
			var left []int
			for i, key := range w.keys[name][1:] {
				if key != nil {
					left = append(left, i+2)
				}
			}
			if (res.Err != nil) != (tt.left != nil) || len(left) != len(tt.left) || len(left) > 0 && left[0] != tt.left[0] {
				t.Errorf("%v; left are %v, want %v", res.Err, left, tt.left)
			}
			if res.Err == nil && len(res.State.Drift) > 0 {
				t.Errorf("drift: %+v", res.State.Drift)
			}
			w.pass(time.Minute)
			w.engine().Advance(t.Context(), d) // what failed is done now, and no key that dkimbot destroyed was missing
			events := w.events(d, rotate.Destroy)
			if slices.ContainsFunc(events, func(e rotate.Event) bool { return e.Code == codes.GoneAlready }) != missing {
				t.Errorf("of a key that was destroyed before the history says that it was missing: %+v", events)
			}
			if said := events[0].Message; res.Err == nil && strings.Contains(said, "missing") != missing {
				t.Errorf("the history says %q", said)
			}
			for _, e := range events {
				if e.Outcome == codes.OutcomeDone && !strings.HasPrefix(e.Message, "version ") {
					t.Errorf("the history has %+v", e)
				}
			}
		})
	}
}
