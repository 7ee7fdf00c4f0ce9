package engine_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// TestSignerWordsAreTrue: at each stage, whatever else is otherwise, what is said of a signer
// that signs with another key than it should agrees with what DNS shows (results say what is so).
func TestSignerWordsAreTrue(t *testing.T) {
	with := regexp.MustCompile(`signs with (\S+?)(, whose key is compromised,)? and not with (\S+);`)
	for _, stage := range stages() {
		for _, first := range changes() {
			s := &scene{}
			stage.change(s)
			first.change(s)
			for _, f := range health.Drift(s.want.Domain, s.have, s.seen) {
				if f.Code != codes.SignerStrays {
					continue
				}
				ref := s.have.Identify(s.seen.Signers[f.Signer].Ref)
				fate := s.seen.Fate(ref.Selector, ref.KeyID)
				verifies, fails := strings.Contains(f.Message, "mail verifies"), strings.Contains(f.Message, "mail fails")
				if verifies && fate >= rotate.Fails || fails && fate < rotate.Fails {
					t.Errorf("%s, %s: %s; DNS shows %q", stage.name, first.name, f.Message,
						s.seen.Selectors[ref.Selector].Sight.Values)
				}
				if m := with.FindStringSubmatch(f.Message); m != nil && m[1] == m[3] {
					t.Errorf("%s, %s: %s", stage.name, first.name, f.Message)
				}
				if key := s.have.Selector(ref.Selector).Key; s.have.Leaked(ref.Selector) && key.ID == ref.KeyID &&
					strings.Contains(f.Repair, "back to "+ref.Selector) {
					t.Errorf("%s, %s: %s, whose key is compromised", stage.name, first.name, f.Repair)
				}
			}
		}
	}
}

// TestKeyGivenUpIsNotMissed: a compromised key of a new domain that was revoked is not told to be
// missing from the keystore, nor to be restored.
func TestKeyGivenUpIsNotMissed(t *testing.T) {
	s := bootstrappingScene()
	s.sign("s1", "mx1")
	sel := s.have.Selectors["s1"]
	sel.Retired, sel.Past, sel.Revoked = []rotate.Retired{{KeyID: sel.Key.ID, Version: 1, Dropped: true, Leaked: true}},
		[]string{sel.Key.ID}, true
	sel.Key, s.have.Target = nil, "s2"
	s.show("s1", "v=DKIM1; k=ed25519; p=")
	found := health.Drift(s.want.Domain, s.have, s.seen)
	if len(found) != 1 || found[0].Code != codes.SignerStrays ||
		!strings.Contains(found[0].Message, "its mail fails, because the key was revoked") ||
		!strings.Contains(found[0].Repair, "the key of s2") {
		t.Errorf("%+v", found)
	}
}

// TestStaleSignerVerifies: a signer whose key DNS shows and the state does not know is not told
// to fail (results say what is so).
func TestStaleSignerVerifies(t *testing.T) {
	s := readyScene()
	s.hold("s1", someKeys()[3].ID(), 8)
	s.show("s1", record(someKeys()[3]))
	s.stray("s1", someKeys()[3].ID(), "mx1", "mx2")
	for _, f := range health.Drift(s.want.Domain, s.have, s.seen) {
		if f.Signer != "" && !strings.Contains(f.Message, "its mail verifies, because DNS shows that key") {
			t.Errorf("%s", f.Message)
		}
	}
}

// TestReleasedRefusalIsNoFailure: a rotation that is asked of a released domain is refused, and
// neither its state nor what comes next is changed by that.
func TestReleasedRefusalIsNoFailure(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.order(d, rotate.Release{Purge: true})
	before := w.state(d.Name)
	d.Asked, d.Named = true, true
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.Released || res.YetToBegin() {
		t.Errorf("%v; yet to begin %t", res.Err, res.YetToBegin())
	}
	after := w.state(d.Name)
	if after.Failures != 0 || after.LastError != "" || after.Next == nil || before.Next == nil ||
		after.Next.Action != before.Next.Action {
		t.Errorf("failures %d, %q, next %+v; before %+v", after.Failures, after.LastError, after.Next, before.Next)
	}
}

// TestReportOfLostState: a compromised key of a domain whose state is lost is refused with the
// way to take the domain up again (I12).
func TestReportOfLostState(t *testing.T) {
	s := newScene()
	s.hold("s1", someKeys()[0].ID(), 1)
	s.show("s1", record(someKeys()[0]))
	s.want.Request.Instruction = rotate.Distrust{}
	_, _, err := plan.Ordered(s.now, s.want.Domain, s.want.Request, s.have, s.seen)
	if fault.CodeOf(err) != "lost-state" || !strings.Contains(fault.HintOf(err), "--from-keystore") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

// TestAdoptionSaysWhatSigns: where every signer signs with a key that the keystore holds and DNS
// has lost, a refused adoption says that, and not that they sign with different ones.
func TestAdoptionSaysWhatSigns(t *testing.T) {
	s := newScene()
	for i, name := range []string{"s1", "s2"} {
		s.hold(name, someKeys()[i].ID(), i+1)
		s.stray("s2", someKeys()[1].ID(), "mx1", "mx2")
	}
	s.show("s1", record(someKeys()[0]))
	s.show("s2")
	a := rotate.Adoption{FromKeystore: true, Stored: map[string]string{"s2": someKeys()[1].ID()},
		Keys: []dkim.SigningKey{{Name: dkim.Name{Domain: "example.com", Selector: "s1"}, Key: someKeys()[0]}}}
	p := plan.PlanAdoption(s.now, s.want.Domain, s.want.Request, s.have, s.seen, a)
	if fault.CodeOf(p.Stop) != "active-unclear" || strings.Contains(p.Stop.Error(), "don't all use") {
		t.Errorf("%v", p.Stop)
	}
	faulttest.Shown(t, p.Stop)
}

// TestRollbackOfStaleState: a rollback by a state that is older than the world is refused with the
// way to a newer one, and not with a publication that would be refused, too.
func TestRollbackOfStaleState(t *testing.T) {
	s := drainingScene()
	s.hold("s1", someKeys()[3].ID(), 8)
	s.show("s1", record(someKeys()[3]))
	_, _, err := plan.Ordered(s.now, s.want.Domain, rotate.Request{Instruction: rotate.Rollback{}}, s.have, s.seen)
	if fault.CodeOf(err) != "stale-state" || !strings.Contains(fault.HintOf(err), "--from-keystore") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

// TestHostComesToWhatVerifies: in a switch, a host that signs with nothing is not given a key whose
// record had vanished, as long as resolvers may not find it and the other one signs well (I2).
func TestHostComesToWhatVerifies(t *testing.T) {
	s := switchingScene()
	s.want.Signers = append(s.want.Signers, "mx3")
	s.seen.Signers["mx3"] = rotate.SignerSeen{}
	s.show("s2")
	p := s.want.plan(s.now, s.have, s.seen)
	got := strings.Split(brief(p, s.now), ", ")
	if !slices.Contains(got, "activate s1/mx3") || !slices.Contains(got, "activate s2/mx3@5m") {
		t.Errorf("%q", got)
	}
}

// TestTakenUpKeyWasNotMade: a key that the keystore held already is told as such, and not as made now.
func TestTakenUpKeyWasNotMade(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.trouble = func(op string) trouble {
		if op == "put s1" {
			return lost
		}
		return fine
	}
	w.engine().Advance(t.Context(), d)
	w.trouble = nil
	w.pass(time.Minute)
	given := map[string]codes.Code{}
	for _, e := range w.engine().Advance(t.Context(), d).Done {
		if e.Kind == rotate.StoreKey {
			given[e.Selector] = e.Code
		}
	}
	if given["s1"] != codes.KeptAlready || given["s2"] != "" {
		t.Errorf("%v", given)
	}
}

// TestExposureIsToldOnce: what a run tells as an error of a compromised key that is still in use
// is not told once more as a warning.
func TestExposureIsToldOnce(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("ask mx2", "activate mx2", "forget mx2")
	res := w.order(d, rotate.Distrust{Selectors: []string{"s1", "s2"}})
	if res.Err == nil || !strings.Contains(res.Err.Error(), "somebody else signs") ||
		slices.ContainsFunc(res.Plan.Warnings, health.TellsExposed) {
		t.Errorf("%v; warnings %q", res.Err, res.Plan.Warnings)
	}
}

// TestRevokedKeyIsRememberedOnce: a key that was revoked and then replaced takes one place among
// those whose records are known as dkimbot's own (I6).
func TestRevokedKeyIsRememberedOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	for range 3 {
		w.order(d, rotate.Distrust{Selectors: []string{"s2"}})
		w.hours(d, 3)
	}
	past := w.state(d.Name).Selectors["s2"].Past
	if len(past) != 3 || len(slices.Compact(slices.Sorted(slices.Values(past)))) != 3 {
		t.Errorf("%q", past)
	}
}
