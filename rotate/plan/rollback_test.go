package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// told gives a scene an instruction.
func told(s *scene, i rotate.Instruction) (rotate.State, error) {
	st, _, err := order.Apply(s.Now, s.Want.Domain, rotate.Request{Instruction: i}, s.Have, s.Seen)
	return st, err
}

// TestWayBack: signers go back to a key that resolvers find, and in whose place receivers keep no other one; not by a
// state that is older than the world, nor to a name that leads elsewhere (I2, I12).
func TestWayBack(t *testing.T) {
	shadowed := func(ago time.Duration) func(*scene) {
		return func(s *scene) { s.Have.Selectors["s1"].Key.ShadowedAt = s.Now.Add(-ago) }
	}
	for name, c := range map[string]struct {
		change func(*scene)
		code   codes.Code // "": they go
	}{
		"as it stands":                 {func(*scene) {}, ""},
		"lately missing":               {func(s *scene) { verified(s, "s1", plantest.Negative-1) }, codes.RecordGone},
		"missing a while ago":          {func(s *scene) { verified(s, "s1", plantest.Negative) }, ""},
		"another key stood there":      {shadowed(rotate.MostKept - 1), codes.RecordGone},
		"another one did, a while ago": {shadowed(rotate.MostKept), ""},
		"it leads to another domain's": {func(s *scene) { misled(s, codes.SharedName) }, codes.SharedName},
		"it leads nowhere":             {func(s *scene) { misled(s, codes.NoZone) }, codes.NoZone},
		"an older state, here":         {func(s *scene) { s.Stands("s1", 3) }, codes.StaleState},
		"an older state, at the other": {func(s *scene) { s.Stands("s2", 3) }, codes.StaleState},
	} {
		s := plantest.Draining()
		c.change(s)
		if _, err := told(s, rotate.Rollback{}); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// misled makes s1's name one that leads elsewhere.
func misled(s *scene, code codes.Code) {
	s.Seen.Selectors["s1"] = rotate.SelectorSeen{KeyID: plantest.Keys()[0].ID(), Version: 1,
		SightErr: &fault.Error{Kind: fault.Permanent, Code: code, What: "look up s1"}}
}

// TestNewSignerSentBack: a signer that has confirmed nothing yet is not taken for one that may sign with every key.
func TestNewSignerSentBack(t *testing.T) {
	s := plantest.Switching()
	s.Want.Signers = append(s.Want.Signers, "mx3")
	st, err := told(s, rotate.Rollback{})
	if _, known := st.Signers["mx3"]; err != nil || known || len(st.Held) != 3 {
		t.Errorf("%v; %+v, sent back %v", err, st.Signers, st.Held)
	}
}

// TestWaitsForAWord: when nothing is left to do for a switch of which a signer was sent back, a person's word comes
// next, and not before.
func TestWaitsForAWord(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		waits  bool
	}{
		"all is done":                {func(*scene) {}, true},
		"it is not back yet":         {func(s *scene) { s.Unsure("mx1") }, false},
		"the other one is to follow": {func(s *scene) { s.Sign("s1", "mx2") }, false},
		"the active record vanished": {func(s *scene) { s.Show("s1") }, false},
		"the other record vanished":  {func(s *scene) { s.Show("s2") }, false},
	} {
		s := plantest.Switching()
		s.Sign("s1", "mx1")
		s.Sign("s2", "mx2")
		s.Have.Held = []string{"mx1"}
		c.change(s)
		p := s.Plan()
		if waits := p.Next != nil && p.Next.Action == codes.ActionResume; waits != c.waits || waits == (len(p.Steps) > 0) {
			t.Errorf("%s: it waits: %t; %s", name, waits, plantest.Steps(p, s.Now))
		}
		if s.Want.Policy.Schedule = "never"; c.waits && s.Plan().Stop == nil {
			t.Error("a schedule that makes no sense is not told")
		}
	}
}

// TestReclaimed: a domain that was purged is taken back with other selectors; one whose keys still stand is not.
func TestReclaimed(t *testing.T) {
	for purged, code := range map[bool]codes.Code{true: "", false: codes.SelectorsChanged} {
		s := plantest.Ready()
		s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
		if purged {
			s.Have.Released.Purged = plantest.LongAgo
			s.Have.Selectors["s1"].Key, s.Have.Selectors["s2"].Key = nil, nil
		}
		s.Want.Policy.Selectors = [2]string{"x", "y"}
		if st, err := told(s, rotate.Reclaim{}); fault.CodeOf(err) != code || (st.Released == nil) != purged {
			t.Errorf("purged: %t; %v", purged, err)
		}
	}
}

// TestReplacedInAFlight: the fresh key that signers are to flee to is made whatever the limits say, though a signer is
// silent that uses another key; its record is looked for whoever is silent. The old key is destroyed by none of those
// plans: the silent signer is asked first (I1).
func TestReplacedInAFlight(t *testing.T) {
	for name, c := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   string
	}{
		"all answer":             {plantest.Drained, func(s *scene) { s.Hold("s1", "", 1) }, "generate s1"},
		"one is silent":          {plantest.Drained, func(s *scene) { s.Hold("s1", "", 1); s.Silence("mx1") }, "generate s1"},
		"the fresh key was lost": {plantest.Published, func(s *scene) { s.Hold("s1", "", 3) }, "generate s1"},
		"only to be seen":        {plantest.Published, func(s *scene) { s.Silence("mx1"); s.Unsure("mx1") }, "verify s1"},
	} {
		s := c.scene()
		plantest.Leak("s2")(s)
		c.change(s)
		s.Want.Limits = plantest.Nightly
		steps := plantest.Steps(s.Plan(), s.Now)
		silent := s.Seen.Signers["mx1"].Err != nil
		if !strings.Contains(steps, c.want) || silent && strings.Contains(steps, "destroy s1") {
			t.Errorf("%s: %s", name, steps)
		}
	}
}

// TestGivenUpIsNoReplacement: a key that was given up is destroyed by itself, also while another one is replaced: no
// step of the replacement waits for it.
func TestGivenUpIsNoReplacement(t *testing.T) {
	s := plantest.Replaced()
	s.Have.Selectors["s1"].Retired = append(s.Have.Selectors["s1"].Retired,
		rotate.Retired{KeyID: "dropped", Version: 2, Dropped: true})
	duties := map[string]rotate.Duty{}
	for _, step := range s.Plan().Steps {
		duties[step.From.KeyID] = step.Duty
	}
	if duties["dropped"] != rotate.Disposal || duties[plantest.Keys()[0].ID()] != rotate.Turn {
		t.Errorf("%v", duties)
	}
}
