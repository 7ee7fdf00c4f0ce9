package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestAdoptionBesideARevokedRecord: the state is lost, and signers sign with a key whose record was emptied. The good key is
// adopted though that record stays there, and the next run brings signers to it (I1, I6).
func TestAdoptionBesideARevokedRecord(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	at := func(s string) dkim.Name { return dkim.Name{Domain: d.Name, Selector: s} }
	old, good := w.live(at("s1"))[0], w.live(at("s2"))[0]
	emptied := dkim.RevokedRecord(w.state(d.Name).Selectors["s1"].Key.Record)
	w.spoil("s1", emptied)
	w.store = newWorld(t).store
	res := w.engine().Adopt(t.Context(), d, rotate.Adoption{FromKeystore: true, Active: "s2",
		Keys: []dkim.SigningKey{{Name: at("s2"), Key: good}}, Stored: map[string]string{"s1": old.ID()}})
	if fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Selector("s2").Key == nil {
		t.Fatalf("%v; %+v", res.Err, res.State)
	}
	w.pass(day)
	w.engine().Advance(t.Context(), d)
	if c := w.state(d.Name).Signers["mx1"]; c.Selector != "s2" || c.KeyID != good.ID() {
		t.Errorf("mx1 signs with %+v", c)
	}
	if shown := w.zone("s1._domainkey.example.com").changes; shown[len(shown)-1].value != emptied {
		t.Errorf("s1 shows %q", shown[len(shown)-1].value)
	}
	w.excuse(at("s1"))
}

// TestInterruptedWhileLooking: a run that is told to end while it looks takes nothing from what it did not see: it
// fails at nothing, and writes nothing.
func TestInterruptedWhileLooking(t *testing.T) {
	for title, run := range map[string]func(context.Context, *world, *testEngine, wish) error{
		"a round": func(ctx context.Context, _ *world, e *testEngine, d wish) error { return e.Advance(ctx, d).Err },
		"an order": func(ctx context.Context, _ *world, e *testEngine, d wish) error {
			d.Instruction = rotate.Hold{}
			return e.Advance(ctx, d).Err
		},
		"other selectors": func(ctx context.Context, _ *world, e *testEngine, d wish) error {
			d = elsewhere(d)
			d.Instruction = rotate.ChangeSelectors{}
			return e.Advance(ctx, d).Err
		},
		"an adoption": func(ctx context.Context, w *world, e *testEngine, d wish) error {
			a := adoption()
			for _, s := range d.Policy.Selectors {
				name := dkim.Name{Domain: d.Name, Selector: s}
				a.Keys = append(a.Keys, dkim.SigningKey{Name: name, Key: w.live(name)[0]})
			}
			return e.Adopt(ctx, d, a).Err
		},
	} {
		for _, op := range []string{"look s1", "look a"} {
			t.Run(title+", "+op, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.settle(d)
				w.pass(8 * day)
				before := w.told(d)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.trouble = func(o string) trouble {
					if o != op {
						return fine
					}
					cancel()
					return refused
				}
				parts := w.engine().Parts
				parts.Failed = func(e rotate.Event, err error) { t.Errorf("a failure is told: %+v, %v", e, err) }
				err := run(ctx, w, newEngine(parts), d)
				if ctx.Err() == nil {
					return // it does not look there
				}
				if !errors.Is(err, context.Canceled) || errors.As(err, new(*fault.Error)) {
					t.Errorf("it ended with %v", err)
				}
				if after := w.told(d); after != before {
					t.Errorf("it wrote\n%s\nand there was\n%s", after, before)
				}
			})
		}
	}
}

// TestNotBelievedYet: a state is not given up for an adoption that a freeze keeps from beginning (I12).
func TestNotBelievedYet(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	old := w.state(d.Name)
	w.engine().Advance(t.Context(), asked(d))
	w.pass(8 * day)
	w.settle(d)
	w.restoreState(old)
	d.Limits = rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 1 1 *", Duration: 30 * day, Timezone: "UTC",
		Key: "limits.freezes[0]"}}}
	w.fromKeystore(d)
	if st := w.state(d.Name); st.Phase != old.Phase || st.Selectors["s1"].Key == nil {
		t.Errorf("it is %s with %+v", st.Phase, st.Selectors["s1"])
	}
	d.Limits = rotate.Limits{}
	if res := w.fromKeystore(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestWhyItIsBelieved: the history says whether the state was lost or older than the world when that was believed
// instead (true words).
func TestWhyItIsBelieved(t *testing.T) {
	for says, given := range map[string]rotate.Phase{"the state was lost: ": rotate.New,
		"the state was older than DNS and the keystore: ": rotate.Ready} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		old := w.state(d.Name)
		w.engine().Advance(t.Context(), asked(d))
		w.pass(8 * day)
		w.trouble = failing("publish s1") // its fresh key is stored, and not published
		w.engine().Advance(t.Context(), d)
		w.trouble = nil
		if given == rotate.New {
			old = rotate.State{Domain: d.Name, Phase: rotate.New}
		}
		w.restoreState(old)
		if res := w.fromKeystore(d); res.Err != nil {
			t.Fatal(res.Err)
		}
		if e := w.event(d, rotate.Believe); !strings.HasPrefix(e.Message, says) {
			t.Errorf("%s: the history says %q", given, e.Message)
		}
	}
}

// TestPassedOverKeyIsDestroyed: a key that was stored and never published is destroyed when the one that DNS shows
// is adopted in its place (I5).
func TestPassedOverKeyIsDestroyed(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.trouble = failing("publish s1")
	w.engine().Advance(t.Context(), d)
	w.trouble = nil
	name := dkim.Name{Domain: d.Name, Selector: "s1"}
	stored := w.keys[name][len(w.keys[name])-1]
	w.restoreState(rotate.State{Domain: d.Name, Phase: rotate.New})
	if res := w.fromKeystore(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.settle(d)
	for _, k := range w.live(name) {
		if k.ID() == stored.ID() {
			t.Error("I5: the key that was never published is still there")
		}
	}
	if st := w.state(d.Name); st.Phase != rotate.Ready || st.Active != "s2" {
		t.Errorf("it is %s and signs with %s", st.Phase, st.Active)
	}

	adopted := w.state(d.Name).Selectors["s1"].Key.ID
	for range 2 { // to s1, and back: then its key is replaced
		w.pass(8 * day)
		w.settle(asked(d))
	}
	w.pass(8 * day)
	w.settle(d)
	for version, k := range w.keys[name] {
		if k != nil && k.ID() == adopted {
			t.Errorf("I5: the adopted key is replaced, and version %d holds it still", version+1)
		}
	}
}

// TestAdoptionStops: a key is not adopted that fails its test, or is not proved to be kept, and nothing relies on it
// (I1, I4).
func TestAdoptionStops(t *testing.T) {
	failed := errors.New("it does not verify")
	saves := func(n int) func(*world, *testEngine) {
		return func(w *world, _ *testEngine) {
			came := 0
			w.trouble = func(op string) trouble {
				if op == "save" {
					if came++; came == n {
						return refused
					}
				}
				return fine
			}
		}
	}
	for title, spoil := range map[string]func(*world, *testEngine){
		"the test fails": func(_ *world, e *testEngine) {
			e.SelfTest = func(context.Context, dkim.SigningKey, string) error { return failed }
		},
		"the intent is not written": saves(1),
		"it is not read back": func(w *world, _ *testEngine) {
			w.pause = func(op string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if op == "put mail" {
					w.trouble = failing("get mail")
				}
			}
		},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), mailFirst("mx1")
			k := w.byHand(d, "mail", "mx1")
			e := w.engine()
			spoil(w, e)
			res := e.Adopt(t.Context(), d, adoption(k))
			if key := w.state(d.Name).Selector("mail").Key; res.Err == nil || key != nil {
				t.Errorf("it ended with %v; the state has %+v", res.Err, key)
			}
			w.trouble, w.pause = nil, nil
			w.pass(time.Hour)
			if res := w.engine().Adopt(t.Context(), d, adoption(k)); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.pass(time.Hour)
			w.settle(d)
			w.checkReady(d, "mail")
		})
	}
}
