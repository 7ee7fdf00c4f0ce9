package adoption_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// held is the adoption of what a keystore holds: for selectors, by the number of the key.
func held(keys map[string]int) rotate.Adoption {
	a := rotate.Adoption{FromKeystore: true}
	for _, s := range []string{"s1", "s2"} {
		if n, ok := keys[s]; ok {
			a.Keys = append(a.Keys, dkim.SigningKey{Name: dkim.Name{Domain: "example.com", Selector: s}, Key: plantest.Keys()[n]})
		}
	}
	return a
}

// believed is the state with which the adoption begins.
func believed(s *scene, a rotate.Adoption) rotate.State {
	return adoption.New(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen).Believed(a)
}

// TestBelievedOnlyWhereOvertaken: a state is given up where the keystore holds a key that it does not know. What it
// knows of a domain that is as it says stays known, and a keystore with a key that was replaced is the older one (I12).
func TestBelievedOnlyWhereOvertaken(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*scene)
		keys   map[string]int
		given  bool
	}{
		"as it was":      {func(*scene) {}, map[string]int{"s1": 0, "s2": 1}, false},
		"a key of later": {func(s *scene) { s.Stands("s2", 3) }, map[string]int{"s1": 0, "s2": 3}, true},
		"a key of earlier": {func(s *scene) { s.Stands("s2", 3); s.Past("s2", plantest.Keys()[3].ID()) },
			map[string]int{"s1": 0, "s2": 3}, false},
	} {
		s := plantest.Ready()
		tt.change(s)
		if st := believed(s, held(tt.keys)); (st.Phase == rotate.New) != tt.given {
			t.Errorf("%s: begins %s with %v", title, st.Phase, st.Selectors)
		}
	}
}

// TestBelievedAfterAReport: a state that is too old to know the other selector's key knows of a report: the compromised
// key stays reported where DNS shows it, and signers leave it. One that took its place since is believed (I5, I12).
func TestBelievedAfterAReport(t *testing.T) {
	for n, leaves := range map[int]bool{0: true, 3: false} {
		for _, active := range []string{"", "s1"} { // s1: what signers use now
			s := plantest.Ready()
			plantest.Leak("s1")(s)
			s.Stands("s1", n)
			s.Stands("s2", 2) // the state does not know it
			s.Drift("s1", plantest.Keys()[n].ID(), "mx1", "mx2")
			s.Hold("s1", plantest.Keys()[n].ID(), 7)
			s.Past("s1", "long ago")
			a := held(map[string]int{"s1": n, "s2": 2})
			a.Active = active
			p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
			st := believed(s, a)
			if p.Stop != nil || st.Leaked("s1") != leaves || st.Selector("s1").ReplacedBefore(plantest.Keys()[0].ID()) == leaves {
				t.Fatalf("key %d: %v; compromised %t, past %v", n, p.Stop, st.Leaked("s1"), st.Selector("s1").Past)
			}
			if key := st.Selector("s1").Key; leaves && (key.Version != 7 || st.Phase != rotate.Bootstrapping || st.Target != "s2") ||
				!st.Selector("s1").ReplacedBefore("long ago") {
				t.Errorf("key %d: %s to %s, s1 is %+v", n, st.Phase, st.Target, st.Selector("s1"))
			}
			flees := slices.ContainsFunc(p.Steps, func(s rotate.Step) bool {
				return s.Kind == rotate.Activate && s.Selector == "s2" && s.Duty == rotate.Revocation
			})
			adopted := slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Adopt && s.Selector == "s1" })
			if flees != leaves || adopted == leaves {
				t.Errorf("key %d: leaves it %t, adopts it %t: %v", n, flees, adopted, p.Steps)
			}
			s.Have = st
			if again := believed(s, a); again.Leaked("s1") != leaves {
				t.Errorf("key %d: asked for twice, compromised %t", n, again.Leaked("s1"))
			}
		}
	}
}

// TestReleasedIsNotAdopted: the adoption of a domain that was released is refused for that, whatever else is in its
// way: the hint of that leads on first.
func TestReleasedIsNotAdopted(t *testing.T) {
	older := plantest.Ready() // the keystore
	older.Stands("s1", 3)
	older.Past("s1", plantest.Keys()[3].ID())
	older.Stands("s2", 2)
	for released, want := range map[bool]codes.Code{false: codes.ReplacedKey, true: codes.Released} {
		if older.Have.Released = nil; released {
			older.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
		}
		p := adoption.Plan(older.Now, older.Want.Domain, older.Want.Request, older.Have, older.Seen,
			held(map[string]int{"s1": 3, "s2": 2}))
		if fault.CodeOf(p.Stop) != want {
			t.Errorf("from an older keystore, released %t: %v", released, p.Stop)
		}
	}
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	s.Stands("s2", 2)
	s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, held(map[string]int{"s1": 0, "s2": 2}))
	if fault.CodeOf(p.Stop) != codes.Released {
		t.Errorf("%v", p.Stop)
	}
	s.Want.Request.Instruction = rotate.Reclaim{} // as its hint says
	if st, _, err := order.Apply(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen); err != nil || st.Released != nil {
		t.Errorf("taken back: %v", err)
	}
}

// TestStoredSelectorSigns: a domain that is brought up with what is stored signs with a selector whose key is
// stored, also where signers say that they sign with the other one and not with which key (I4).
func TestStoredSelectorSigns(t *testing.T) {
	s := plantest.New()
	s.Hold("s1", plantest.Keys()[0].ID(), 1)
	s.Drift("s2", "", "mx1", "mx2")
	st := believed(s, rotate.Adoption{FromKeystore: true, Stored: map[string]string{"s1": plantest.Keys()[0].ID()}})
	if st.Phase != rotate.Bootstrapping || st.Target != "s1" {
		t.Errorf("%s, with %s", st.Phase, st.Target)
	}
}

// TestRefusedAdoptionWaitsForNothing: an adoption that something else is in the way of is refused for that, and is
// not said to begin when a freeze is over.
func TestRefusedAdoptionWaitsForNothing(t *testing.T) {
	s := plantest.New()
	s.Want.Limits = plantest.Frozen
	s.Stands("s1", 0)
	s.Drift("s1", plantest.Keys()[0].ID(), "mx1", "mx2")
	s.Show("s2", plantest.ForeignRecord)
	a := held(map[string]int{"s1": 0})
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	if fault.CodeOf(p.Stop) != codes.ForeignRecord || p.Held != "" || p.Next != nil {
		t.Errorf("%v, held by %q, next %+v", p.Stop, p.Held, p.Next)
	}
	s.Show("s2")
	if p = adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a); p.Stop != nil || p.Held == "" {
		t.Errorf("the freeze: %v, held by %q", p.Stop, p.Held)
	}
}

// TestAdoptionSaysWhatSigns: where every signer signs with a key that the keystore holds and DNS
// has lost, a refused adoption says that, and not that they sign with different ones.
func TestAdoptionSaysWhatSigns(t *testing.T) {
	s := plantest.New()
	for i, name := range []string{"s1", "s2"} {
		s.Hold(name, plantest.Keys()[i].ID(), i+1)
		s.Drift("s2", plantest.Keys()[1].ID(), "mx1", "mx2")
	}
	s.Show("s1", plantest.Record(plantest.Keys()[0]))
	s.Show("s2")
	a := rotate.Adoption{FromKeystore: true, Stored: map[string]string{"s2": plantest.Keys()[1].ID()},
		Keys: []dkim.SigningKey{{Name: dkim.Name{Domain: "example.com", Selector: "s1"}, Key: plantest.Keys()[0]}}}
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	if fault.CodeOf(p.Stop) != "active-unclear" || strings.Contains(p.Stop.Error(), "don't all use") {
		t.Errorf("%v", p.Stop)
	}
	faulttest.Shown(t, p.Stop)
}

// TestCompromisedIsNotBelieved: a key that an older state knows as compromised, and that lies in the keystore still, is not
// published again by an adoption, but destroyed, and another one is made (I12).
func TestCompromisedIsNotBelieved(t *testing.T) {
	for title, mark := range map[string]func(*scene){
		"the present key": plantest.Leak("s1"),
		"one of before": func(s *scene) {
			s.Have.Selectors["s1"].Key = plantest.KeyAt(2)
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[0].ID(), Version: 1, Leaked: true}}
		},
	} {
		s := plantest.Ready()
		mark(s)
		s.Have.Selectors["s1"].Revoked = true
		s.Stands("s2", 3)
		s.Show("s1", dkim.RevokedRecord(plantest.Record(plantest.Keys()[0])))
		a := held(map[string]int{"s2": 3})
		a.Active, a.Stored = "s2", map[string]string{"s1": plantest.Keys()[0].ID()}
		st := believed(s, a)
		if slices.Contains(st.Selectors["s1"].Tried, plantest.Keys()[0].ID()) {
			t.Errorf("%s: the compromised key is taken up", title)
		}
		p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
		if p.Stop != nil {
			t.Errorf("%s: %v", title, p.Stop)
		}
		dropped := slices.ContainsFunc(st.Selectors["s1"].Retired, func(r rotate.Retired) bool {
			return r.KeyID == plantest.Keys()[0].ID() && r.Dropped && r.Leaked
		})
		if !dropped { // it goes when no signer has it any more
			t.Errorf("%s: it is not to be destroyed: %v", title, st.Selectors["s1"].Retired)
		}
		s.Have = st
		if again := believed(s, a); len(again.Selectors["s1"].Retired) != 1 || len(again.Selectors["s1"].Tried) > 0 {
			t.Errorf("%s: once more: %v", title, again.Selectors["s1"])
		}
		for _, step := range p.Steps {
			if step.Selector == "s1" && step.To.KeyID == plantest.Keys()[0].ID() {
				t.Errorf("%s: %s s1 is planned with the compromised key", title, step.Kind)
			}
		}
	}
}

// TestGoodIsBelieved: what the state says of other keys, or of one that was only replaced, keeps no stored key from being
// taken up; and a compromised one is not named as one whose record is to be published again (I12).
func TestGoodIsBelieved(t *testing.T) {
	stored, other := plantest.Keys()[0].ID(), plantest.Keys()[2].ID()
	retired := func(id string, leaked bool) func(*scene) {
		return func(s *scene) {
			s.Have.Selectors["s1"].Key = nil
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: id, Version: 1, Leaked: leaked}}
		}
	}
	a := held(map[string]int{"s2": 3})
	a.Stored = map[string]string{"s1": stored}
	for title, c := range map[string]struct {
		change func(*scene)
		taken  bool
	}{
		"it is good":        {func(*scene) {}, true},
		"it is compromised": {plantest.Leak("s1"), false},
		"another one is compromised": {func(s *scene) {
			s.Have.Selectors["s1"].Key = plantest.KeyAt(2)
			plantest.Leak("s1")(s)
		}, true},
		"it was replaced":                 {retired(stored, false), true},
		"another one was, as compromised": {retired(other, true), true},
		"it was, as compromised":          {retired(stored, true), false},
	} {
		s := plantest.Ready()
		c.change(s)
		s.Stands("s2", 3)
		if got := slices.Contains(believed(s, a).Selectors["s1"].Tried, stored); got != c.taken {
			t.Errorf("%s: taken up %t", title, got)
		}
	}
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	s.Have.Selectors["s1"].Revoked = true
	s.Stands("s2", 3)
	s.Show("s1", dkim.RevokedRecord(plantest.Record(plantest.Keys()[0])))
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	if hint := fault.HintOf(p.Stop); p.Stop == nil || strings.Contains(hint, "publish the record") ||
		!strings.Contains(hint, "--active s2") {
		t.Errorf("%v (hint %q)", p.Stop, hint)
	}
}

// TestOnlyACompromisedKeyIsNoted: a new domain's stored key that a signer uses is taken up, though a key of before is yet to be destroyed, or
// this one was given up once without being compromised.
func TestOnlyACompromisedKeyIsNoted(t *testing.T) {
	stored := plantest.Keys()[0].ID()
	a := held(map[string]int{"s2": 3})
	a.Stored = map[string]string{"s1": stored}
	for title, r := range map[string]rotate.Retired{
		"another one, compromised": {KeyID: plantest.Keys()[2].ID(), Version: 1, Leaked: true},
		"this one, given up":       {KeyID: stored, Version: 1, Dropped: true},
	} {
		s := plantest.New()
		s.Selector("s1").Retired = []rotate.Retired{r}
		s.Stands("s2", 3)
		s.Drift("s1", stored, "mx1")
		if got := believed(s, a).Selectors["s1"].Tried; !slices.Contains(got, stored) {
			t.Errorf("%s: it is not taken up: %v", title, got)
		}
	}
}
