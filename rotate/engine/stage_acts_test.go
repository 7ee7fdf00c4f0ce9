package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestNoActAtAClaimedName: at a name that leads to another domain's record neither is a key stored, which would
// have no place, nor a record published (I3, I6).
func TestNoActAtAClaimedName(t *testing.T) {
	for kind, act := range map[rotate.Kind]func(*run, context.Context, rotate.Step) error{
		rotate.StoreKey: (*run).store, rotate.Publish: (*run).publish} {
		s := onStage(t, plantest.Ready())
		s.holder, s.r.fresh["s2"] = dkim.Name{Domain: "example.org", Selector: "s2"}, plantest.Keys()[2]
		err := act(s.r, t.Context(), rotate.Step{Kind: kind, Selector: "s2"})
		if fault.CodeOf(err) != codes.SharedName || s.put+len(s.written)+len(s.saved) > 0 {
			t.Errorf("%s: %v; %d keys stored, %d records published", kind, err, s.put, len(s.written))
		}
	}
}

// TestPublishWhatStays: a compromised key's own record is published again while signers need it; a fresh one
// takes its place only when a signer has left it. What was written is not what DNS shows: that is looked at
// (I2).
func TestPublishWhatStays(t *testing.T) {
	for title, tt := range map[string]struct {
		next bool // a fresh key is to take its place
		kept bool // the record stays as it is
	}{"its own": {false, false}, "a fresh one": {true, true}} {
		s := onStage(t, flight())
		if s.Show("s1"); tt.next {
			s.r.st.Selectors["s1"].Next = plantest.KeyAt(2)
		}
		err := s.r.publish(t.Context(), rotate.Step{Kind: rotate.Publish, Selector: "s1"})
		if (err != nil) != tt.kept || (len(s.written) == 0) != tt.kept {
			t.Errorf("%s: %v; %d records published", title, err, len(s.written))
		}
		if at := s.r.judge().Standing("s1"); at != health.Absent {
			t.Errorf("%s: before a look it stands as %v", title, at)
		}
	}
}

// TestPublishKeepsWhatIsReliedOn: a publication that is repeated, since an account lacks the record, does not make
// signers wait again that rely on it already; any other record has to be seen again (I2).
func TestPublishKeepsWhatIsReliedOn(t *testing.T) {
	for title, enough := range map[string]bool{"neither stood there": true, "the old one stands there": false} {
		s := onStage(t, flight())
		if seenSplit(s, "s2", own(1), ""); enough {
			seenSplit(s, "s1", own(0), "")
		}
		s.refused = errTest
		if err := s.r.publish(t.Context(), rotate.Step{Kind: rotate.Publish, Selector: "s2"}); !errors.Is(err, errTest) {
			t.Errorf("%s: %v", title, err)
		}
		for _, st := range append(s.saved, s.r.st) {
			if at := st.Selectors["s2"].Key.VerifiedAt; at.IsZero() == enough {
				t.Errorf("%s: it counts as seen since %s", title, at)
			}
		}
	}
}

// TestKeyPutBack: where a key was put back as the newest version, from a backup, the state says which version
// it is now.
func TestKeyPutBack(t *testing.T) {
	s := onStage(t, plantest.Ready())
	s.newest = 7
	id := plantest.Keys()[0].ID()
	key, err := s.r.private(t.Context(), s.r.name("s1"), id, 1)
	if got := s.r.st.Selectors["s1"].Key.Version; err != nil || key.ID() != id || got != 7 {
		t.Errorf("%v; the state says version %d", err, got)
	}
}

// TestHurriedSwitch: a signer that leaves a compromised key is switched in a hurry, also one that fetches the
// key itself while the keystore does not answer, which is given its record; in a rotation nothing hurries (I1).
func TestHurriedSwitch(t *testing.T) {
	for title, tt := range map[string]struct {
		scene func() *plantest.Scene
		alone bool
		fails bool
	}{
		"a rotation":            {plantest.Ready, false, false},
		"a flight":              {flight, false, false},
		"without the keystore":  {flight, true, false},
		"a rotation without it": {plantest.Ready, true, true},
	} {
		t.Run(title, func(t *testing.T) {
			scene := tt.scene()
			if tt.alone {
				scene.KeystoreSilent("s2")
				scene.Seen.Fetchers = map[string]bool{"mx1": true}
			}
			s := onStage(t, scene)
			if tt.alone {
				s.unkept = errTest
			}
			err := s.r.activate(t.Context(), rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1",
				Duty: rotate.Turn})
			g := s.signer("mx1")
			if (err != nil) != tt.fails || tt.fails && len(g.given) > 0 {
				t.Fatalf("%v, given %+v", err, g.given)
			}
			if !tt.fails && (!slices.Equal(g.hurried, []bool{title != "a rotation"}) || (g.given[0].Key == nil) != tt.alone ||
				g.given[0].Ref() != plantest.RefTo("s2", 1)) {
				t.Errorf("in a hurry %t, given %+v", g.hurried, g.given)
			}
		})
	}
}

// TestRevokedOnlyWhereItWas: a key that the provider did not revoke does not count as revoked (I12).
func TestRevokedOnlyWhereItWas(t *testing.T) {
	for title, refused := range map[string]error{"done": nil, "refused": errTest} {
		scene := flight()
		plantest.RevokeNow("s1")(scene)
		s := onStage(t, scene)
		s.refused = refused
		err := s.r.revoke(t.Context(), rotate.Step{Kind: rotate.Revoke, Selector: "s1"})
		revoked := !s.r.st.Selectors["s1"].Key.RevokedAt.IsZero()
		if !errors.Is(err, refused) || len(s.written) != 1 || revoked != (refused == nil) {
			t.Errorf("%s: %v; it counts as revoked: %t", title, err, revoked)
		}
	}
}

// TestFlightProved: a signer that flees is believed without mail unless mail arrived that shows the compromised
// key; what an older message showed, or one that can't be read, says nothing of this switch (I1).
func TestFlightProved(t *testing.T) {
	differs := &fault.Error{Kind: fault.Transient, Code: codes.MailDiffers, What: "look at mail",
		Err: errors.New("it differs")}
	old, other := plantest.RefTo("s1", 0), plantest.RefTo("s2", 3)
	for title, tt := range map[string]struct {
		proof, unknown error
		mail           dkim.Ref
		believed       bool
	}{
		"it shows the compromised key":  {differs, nil, old, false},
		"it shows another wrong one":    {differs, nil, other, true},
		"it can't be looked at":         {differs, errTest, old, true},
		"none arrived since the switch": {errTest, nil, old, true},
	} {
		s := onStage(t, flight())
		g := s.signer("mx1")
		g.proof, g.unknown, g.mail = tt.proof, tt.unknown, []dkim.Ref{tt.mail}
		signer := handover.To("mx1", g)
		_, proof := signer.Proofs.Call(t.Context(), dkim.SigningKey{Name: s.r.name("s2"), Key: plantest.Keys()[1]})
		note, err := byMail{s.r}.proved(t.Context(), rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1"},
			signer, proof)
		if (err == nil) != tt.believed || (note != "") != tt.believed {
			t.Errorf("%s: %v, note %q", title, err, note)
		}
	}
}

// What signers that hold copies of keys, and signers for which it is noted what they are asked for, were asked.
type (
	forgets struct {
		*stageSigner
		asked *[]string
	}
	withdraws struct {
		*stageSigner
		asked *[]string
	}
	both struct {
		*stageSigner
		forgets
		withdraws
	}
)

func (f forgets) Forget(context.Context, []dkim.Ref) error {
	*f.asked = append(*f.asked, "forget")
	return nil
}

func (w withdraws) Withdraw(context.Context, []dkim.Ref) error {
	*w.asked = append(*w.asked, "withdraw")
	return nil
}

// TestForget: a signer that is listed forgets its copy of a key, or is asked for it no more where it holds
// none; one that is no longer listed is asked for it no more, and keeps what it has (I1).
func TestForget(t *testing.T) {
	for _, listed := range []bool{true, false} {
		for title, want := range map[string][2]string{ // where it is listed, and where it is not
			"forgets": {"forget", ""}, "withdraws": {"withdraw", "withdraw"}, "both": {"forget", "withdraw"},
			"neither": {"", ""},
		} {
			s := onStage(t, plantest.Ready())
			if s.r.want.Signers = []string{"mx1"}; !listed {
				s.r.want.Signers = []string{"mx2"}
			}
			delete(s.r.engine.signers, "mx2")
			var asked []string
			g := s.signer("mx1")
			switch title {
			case "forgets":
				s.r.engine.signers["mx1"] = handover.To("mx1", forgets{g, &asked})
			case "withdraws":
				s.r.engine.signers["mx1"] = handover.To("mx1", withdraws{g, &asked})
			case "both":
				s.r.engine.signers["mx1"] = handover.To("mx1", both{g, forgets{g, &asked}, withdraws{g, &asked}})
			}
			wanted := slices.DeleteFunc([]string{want[0]}, func(w string) bool { return w == "" })
			if !listed {
				wanted = slices.DeleteFunc([]string{want[1]}, func(w string) bool { return w == "" })
			}
			err := handover.Forget(t.Context(), s.r.engine.signers, s.r.want.Signers,
				rotate.Dismissed(s.r.st, s.r.want.Signers), plantest.RefTo("s2", 1), s.r.lease)
			if err != nil || !slices.Equal(asked, wanted) {
				t.Errorf("%s, listed %t: %v, asked %q, want %q", title, listed, err, asked, wanted)
			}
		}
	}
}

// TestRecall: what a run saw of somebody else's record and could not write is noted by the next run, once,
// unless another key is wanted there by then (I2).
func TestRecall(t *testing.T) {
	foreign := rotate.SelectorSeen{Sight: rotate.Sight{Values: []string{plantest.ForeignRecord},
		TTL: time.Hour, Complete: true}}
	for title, tt := range map[string]struct {
		key   string
		saves bool
		noted bool
	}{
		"the same key":           {plantest.Keys()[1].ID(), false, true},
		"another key":            {plantest.Keys()[3].ID(), false, false},
		"it was written by then": {plantest.Keys()[1].ID(), true, false},
	} {
		s := onStage(t, plantest.Ready())
		s.r.engine.unwritten["example.com"] = []glimpse{{"s2", tt.key, foreign, s.Now}}
		if tt.saves {
			if err := s.r.save(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		passing{s.r}.recall()
		if noted := s.r.st.Selectors["s2"].Key.VerifiedAt.IsZero(); noted != tt.noted {
			t.Errorf("%s: the record is to be seen again: %t", title, noted)
		}
	}
}
