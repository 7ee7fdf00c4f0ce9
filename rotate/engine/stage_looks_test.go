package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// split has two name servers show different things at a selector, "" for nothing.
func split(s *plantest.Scene, selector, first, second string) {
	s.Show(selector)
	seen := s.Seen.Selectors[selector]
	seen.Sight.Complete, seen.Sight.Lagging = false, []string{"ns2 differs"}
	seen.Sight.Shown = map[string][]string{"ns1": nil, "ns2": nil}
	for server, value := range map[string]string{"ns1": first, "ns2": second} {
		if value != "" {
			seen.Sight.Values = append(seen.Sight.Values, value)
			seen.Sight.Shown[server] = []string{value}
		}
	}
	s.Seen.Selectors[selector] = seen
}

// own returns the record of the nth key of the scenes.
func own(n int) string { return plantest.Record(plantest.Keys()[n]) }

// TestStillShown: a record is looked at once more just before a signer is switched to it, if half a minute has
// passed. What DNS shows instead keeps the signer where it is; servers that do not answer say nothing new, and
// what was seen counts for half a minute again (I2).
func TestStillShown(t *testing.T) {
	const foreign = plantest.ForeignRecord
	shows := func(values ...string) func(*plantest.Scene) {
		return func(s *plantest.Scene) { s.Show("s2", values...) }
	}
	mute := func(s *plantest.Scene) { s.DNSSilent("s2") }
	wild := func(s *plantest.Scene) { s.Wildcard("s2", foreign) }
	unwritten := errors.New("disk full")
	for title, tt := range map[string]struct {
		scene func() *plantest.Scene
		shows func(*plantest.Scene) // by now
		after time.Duration         // since it was verified; negative: it was not, in this run
		duty  rotate.Duty
		other func(*stage)
		fails error // also: any
		looks int
	}{
		"it is there":           {plantest.Ready, nil, time.Minute, rotate.Turn, nil, nil, 1},
		"a moment ago":          {plantest.Ready, shows(), 29 * time.Second, rotate.Turn, nil, nil, 0},
		"not in this run":       {plantest.Ready, shows(), -1, rotate.Turn, nil, nil, 0},
		"no answer":             {plantest.Ready, mute, time.Minute, rotate.Turn, nil, nil, 1},
		"it is gone":            {plantest.Ready, shows(), time.Minute, rotate.Turn, nil, errAny, 1},
		"another one":           {plantest.Ready, shows(foreign), time.Minute, rotate.Turn, nil, errForeign, 1},
		"another one, unsaved":  {plantest.Ready, shows(foreign), time.Minute, rotate.Turn, unsaved(unwritten), unwritten, 1},
		"a wildcard":            {plantest.Ready, wild, time.Minute, rotate.Turn, nil, errAny, 1},
		"a wildcard, to repair": {plantest.Ready, wild, time.Minute, rotate.Signing, nil, errAny, 1},
		"its name is led elsewhere": {plantest.Ready, func(s *plantest.Scene) {
			at := s.Seen.Selectors["s2"]
			at.SightErr = errLed
			s.Seen.Selectors["s2"] = at
		}, time.Minute, rotate.Turn, nil, errLed, 1},
		"it is revoked": {func() *plantest.Scene { s := plantest.Ready(); s.Have.Selectors["s2"].Revoked = true; return s },
			shows(dkim.RevokedRecord(own(1))), time.Minute, rotate.Turn, nil, errAny, 1},
		"another one where neither stood, compromised": {flight, func(s *plantest.Scene) { split(s, "s2", own(1), foreign) },
			time.Minute, rotate.Revocation, func(s *stage) { seenSplit(s, "s1", own(0), "") }, nil, 1},
		"another one where the old one stands, compromised": {flight,
			func(s *plantest.Scene) { split(s, "s2", own(1), foreign) }, time.Minute, rotate.Revocation, nil, errForeign, 1},
		"nothing where neither stood, and it was withdrawn": {flight, func(s *plantest.Scene) { split(s, "s2", own(1), "") },
			time.Minute, rotate.Turn, func(s *stage) {
				seenSplit(s, "s1", own(0), "")
				s.r.st.Selectors["s2"].Key.VerifiedAt = time.Time{}
			}, errAny, 1},
	} {
		t.Run(title, func(t *testing.T) {
			scene := tt.scene()
			s := onStage(t, scene)
			if s.passed = max(tt.after, 0); tt.after >= 0 {
				s.r.looked["s2"] = 0
			}
			if tt.shows != nil {
				tt.shows(scene)
			}
			if tt.other != nil {
				tt.other(s)
			}
			turn := rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Duty: tt.duty,
				To: rotate.Side{KeyID: plantest.Keys()[1].ID()}}
			err := afterwards{s.r}.stillShown(t.Context(), turn)
			if !is(err, tt.fails) || int(s.looks.Load()) != tt.looks {
				t.Errorf("%v after %d looks, want %v after %d", err, s.looks.Load(), tt.fails, tt.looks)
			}
			if title == "no answer" && s.r.seen.Selectors["s2"].SightErr != nil {
				t.Error("what was seen before counts no more")
			}
			if again := (afterwards{s.r}).stillShown(t.Context(), turn); title == "it is there" &&
				(again != nil || s.looks.Load() != 1) {
				t.Errorf("at once again: %v after %d looks", again, s.looks.Load())
			}
		})
	}
}

// TestStillForsaken: a signer leaves a selector for somebody else's record only if that stands there at a look
// directly before; one look that fails moves no signer, and what was seen is written first (I2).
func TestStillForsaken(t *testing.T) {
	const foreign = plantest.ForeignRecord
	unwritten := errors.New("disk full")
	shown := func(s *plantest.Scene) { s.Show("s1", foreign) }
	for title, tt := range map[string]struct {
		had   string // what the run saw there
		shows func(*plantest.Scene)
		other func(*stage)
		fails error
		looks int
	}{
		"it stands there":      {foreign, shown, nil, nil, 1},
		"it is gone":           {foreign, func(s *plantest.Scene) { s.Show("s1", own(0)) }, nil, needless(""), 1},
		"it was gone":          {own(0), shown, nil, needless(""), 0},
		"no answer":            {foreign, func(s *plantest.Scene) { s.DNSSilent("s1") }, nil, errSilent, 1},
		"it is new, unwritten": {foreign, shown, unsaved(unwritten), unwritten, 1},
	} {
		t.Run(title, func(t *testing.T) {
			s := onStage(t, plantest.Ready())
			s.Show("s1", tt.had)
			s.r.seen.Selectors["s1"] = s.Seen.Selectors["s1"]
			tt.shows(s.Scene)
			if tt.other != nil {
				tt.other(s)
			}
			step := rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Duty: rotate.Signing,
				Reason: rotate.Reason{Code: codes.ForeignRecord}}
			err := afterwards{s.r}.stillForsaken(t.Context(), step)
			if !is(err, tt.fails) || int(s.looks.Load()) != tt.looks {
				t.Errorf("%v after %d looks, want %v after %d", err, s.looks.Load(), tt.fails, tt.looks)
			}
		})
	}
}

// Errors that tests want.
var (
	errAny     = errors.New("any but a refusal")
	errForeign = errors.New("somebody else's record")
	errLed     = fault.Refuse(codes.SharedName, "look up s2", "give it a name of its own")
	errSilent  = errors.New("no answer")
)

// is reports whether err is what a test wants.
func is(err, want error) bool {
	why := needless("")
	switch want {
	case errAny:
		return err != nil && fault.KindOf(err) == fault.Transient
	case errForeign:
		return fault.CodeOf(err) == codes.ForeignRecord
	case errSilent:
		return fault.CodeOf(err) == codes.ServersSilent
	case needless(""):
		return errors.As(err, &why)
	}
	return errors.Is(err, want)
}

// unsaved lets no write of the state succeed.
func unsaved(err error) func(*stage) { return func(s *stage) { s.unsaved = err } }

// seenSplit has the run have seen different things at two servers.
func seenSplit(s *stage, selector, first, second string) {
	split(s.Scene, selector, first, second)
	s.r.seen.Selectors[selector] = s.Seen.Selectors[selector]
}
