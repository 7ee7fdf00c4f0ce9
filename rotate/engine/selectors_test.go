package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// elsewhere is the domain with other selectors in its policy.
func elsewhere(d wish) wish {
	d.Policy.Selectors = [2]string{"a", "b"}
	return d
}

// soon works on the domain, and waits for nothing that takes longer than an hour.
func (w *world) soon(d wish) {
	w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour, Retry: true}, nil)
	w.pass(time.Minute)
}

// keptAt reports whether the keystore holds a private key at a selector of the domain.
func (w *world) keptAt(d wish, selector string) bool {
	return len(w.live(dkim.Name{Domain: d.Name, Selector: selector})) > 0
}

// TestChangeSelectors: a domain moves over to other selectors, killed at each point: it is signed all the time, each
// message is verified (the world checks both, I1, I2), the old records stay, and the old private keys are destroyed
// when mail has arrived, and not before.
func TestChangeSelectors(t *testing.T) {
	total := moveOver(t, 0)
	if total < 60 {
		t.Fatalf("only %d points were found", total)
	}
	for at := 1; at <= total; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) { moveOver(t, at) })
	}
}

// moveOver changes the selectors of a domain, killed at one point after it was brought up, and returns how many
// points there are.
func moveOver(t *testing.T, crashAt int) int {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	begun := w.points
	if crashAt > 0 {
		w.crashAt = begun + crashAt
	}
	d = elsewhere(d)
	for range 20 {
		st := w.state(d.Name)
		if st.Phase == rotate.Ready && st.Active == "a" {
			break
		}
		if st.Phase == rotate.Ready {
			w.order(d, rotate.ChangeSelectors{})
		}
		w.soon(d)
	}
	w.checkReady(d, "a")
	left := w.state(d.Name).Leftovers()
	for _, s := range []string{"s1", "s2"} {
		if until := left[s].Sub(w.Now()); until < 7*day || until > 9*day {
			t.Errorf("%s may go in %s", s, until)
		}
	}
	kept := func(when string) {
		if !w.keptAt(d, "s1") || !w.keptAt(d, "s2") {
			t.Errorf("an old private key was destroyed %s", when)
		}
	}
	w.pass(7*day + 12*time.Hour)
	w.soon(d)
	kept("before its mail has arrived (I2)")
	for range 2 {
		w.pass(day)
		w.soon(d)
	}
	kept("while its record stands (I5)")
	if said := strings.Join(finding.Texts(w.plan(d).Warnings), " "); !strings.Contains(said, "remove s1._domainkey.example.com") {
		t.Errorf("said is %q", said)
	}
	for _, s := range []string{"s1", "s2"} {
		if w.shown(s + "._domainkey.example.com")[0] == "" {
			t.Errorf("I6: the record at %s is gone", s)
		}
		w.spoil(s, "") // the owner removes it
	}
	for range 3 { // the process may be killed in one
		w.pass(time.Hour)
		w.soon(d)
	}
	for _, s := range []string{"s1", "s2"} {
		if w.keptAt(d, s) || !w.state(d.Name).Earlier.Emptied(s) {
			t.Errorf("the private key at %s is left", s)
		}
	}
	w.checkReady(d, "a")
	return w.points - begun
}

// TestSelectorsRefused: a move is refused by name where it is not safe, and nothing is changed by that; before it is
// asked for, mail continues to be signed and the way is named.
func TestSelectorsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(w *world, d wish) wish
		want   codes.Code
	}{
		"the same": {func(_ *world, d wish) wish { d.Policy.Selectors = [2]string{"s1", "s2"}; return d }, codes.SelectorsKept},
		"one of them": {func(_ *world, d wish) wish { d.Policy.Selectors = [2]string{"s2", "b"}; return d },
			codes.SelectorsOverlap},
		"on hold": {func(w *world, d wish) wish {
			back := d
			back.Policy.Selectors = [2]string{"s1", "s2"}
			w.order(back, rotate.Hold{})
			return d
		}, codes.OnHold},
		"draining": {func(w *world, d wish) wish {
			back := d
			back.Policy.Selectors, back.Asked = [2]string{"s1", "s2"}, true
			w.engine().Advance(context.Background(), back)
			return d
		}, codes.NotAtRest},
		"a record of somebody else": {func(w *world, d wish) wish { w.theirs("b", "v=DKIM1; p=MTIz"); return d },
			codes.ForeignRecord},
		"not asked for": {func(_ *world, d wish) wish { return d }, codes.SelectorsChanged},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(10 * day)
			d = tt.before(w, elsewhere(d))
			before := w.state(d.Name)
			var err error
			if tt.want == codes.SelectorsChanged {
				err = w.engine().Advance(t.Context(), d).Err
			} else {
				err = w.order(d, rotate.ChangeSelectors{}).Err
			}
			faulttest.Shown(t, err)
			after := w.state(d.Name)
			if fault.CodeOf(err) != tt.want || after.Phase != before.Phase || after.Active != before.Active ||
				len(after.Earlier) > 0 {
				t.Errorf("%v; phase %s, active %s", err, after.Phase, after.Active)
			}
		})
	}
}

// TestSelectorsThereAndBack: a name that was left is free again when its key was destroyed, and receivers may
// remember that key: it settles (I2).
func TestSelectorsThereAndBack(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	there := elsewhere(d)
	w.order(there, rotate.ChangeSelectors{})
	w.soon(there)
	w.checkReady(there, "a")
	w.pass(time.Hour)
	overlapping := d
	overlapping.Policy.Selectors = [2]string{"s1", "c"}
	if err := w.order(overlapping, rotate.ChangeSelectors{}).Err; fault.CodeOf(err) != codes.SelectorsOverlap {
		t.Errorf("at once: %v", err)
	}
	w.pass(9 * day)
	w.spoil("s1", "")
	w.spoil("s2", "")
	w.pass(time.Hour)
	w.soon(there)
	if res := w.order(d, rotate.ChangeSelectors{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.soon(d)
	for range 9 {
		w.pass(day)
		w.soon(d)
	}
	w.checkReady(d, "s1")
}

// TestSelectorsForetold: a dry run shows the steps at the new names.
func TestSelectorsForetold(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	d.Instruction = rotate.ChangeSelectors{}
	made := w.plan(d)
	kinds := map[string]int{}
	for _, s := range made.Steps {
		kinds[string(s.Kind)+" "+s.Selector]++
	}
	for _, step := range []string{"generate a", "store b", "publish a", "publish b", "verify a", "activate a"} {
		if kinds[step] == 0 {
			t.Errorf("no %s in %v", step, kinds)
		}
	}
	if made.Stop != nil || len(made.Ordered) != 1 || kinds["activate s1"]+kinds["destroy s1"] > 0 {
		t.Errorf("%v; ordered %v; %v", made.Stop, made.Ordered, kinds)
	}
}

// TestSelectorsForetoldInTheWay: a dry run says what stands at the new names in the way, and shows what stands at those
// that the domain has.
func TestSelectorsForetoldInTheWay(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	record := w.state(d.Name).Selector("s1").Key.Record
	d = elsewhere(d)
	d.Instruction = rotate.ChangeSelectors{}
	const someoneElses = "v=spf1 -all"
	w.spoil("a", someoneElses)
	made := w.plan(d)
	if fault.CodeOf(made.Stop) != codes.ForeignRecord || !strings.Contains(made.Stop.Error(), "a._domainkey") {
		t.Errorf("stopped by %v", made.Stop)
	}
	for s, want := range map[string]string{"a": someoneElses, "s1": record} {
		if shown := made.Seen.Selectors[s].Sight.Values; !slices.Equal(shown, []string{want}) {
			t.Errorf("%s shows %q", s, shown)
		}
	}
}

// TestSelectorsKeepTheKind: a signer with one algorithm can't use a key of another kind after the one that it signs with.
// At its new selectors a domain gets the kind that its signers used at the old ones, also when its policy asks for
// another one meanwhile (I1).
func TestSelectorsKeepTheKind(t *testing.T) {
	for unmixed, want := range map[bool]dkim.Algorithm{true: dkim.Ed25519, false: dkim.RSA2048} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.hosts["mx1"].unmixed = unmixed
		d.Policy.Key = dkim.Ed25519
		w.settle(d)
		w.pass(10 * day)
		d = elsewhere(d)
		d.Policy.Key = dkim.RSA2048
		w.order(d, rotate.ChangeSelectors{})
		w.soon(d)
		w.soon(d)
		w.checkReady(d, "a")
		for name, sel := range w.state(d.Name).Selectors {
			if kind := dkim.RecordAlgorithm(sel.Key.Record); kind != want {
				t.Errorf("signs with one algorithm: %t; the key at %s is %s, want %s", unmixed, name, kind, want)
			}
		}
	}
}
