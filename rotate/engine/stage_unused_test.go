package engine

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestStillUnused: what keeps a key from being replaced or destroyed is asked directly before that: a signer or
// its mail that uses it, one that does not answer and may use it, and one that is no longer listed (I1, I2). A
// compromised key is kept for none that does not answer, nor one in whose place signers flee to a fresh one,
// nor is a key that a signer has under another selector's name.
func TestStillUnused(t *testing.T) {
	old, left := rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)}, rotate.SignerSeen{Ref: plantest.RefTo("s2", 1)}
	signed := func(s *stage) { s.signer("mx1").mail = []dkim.Ref{old.Ref} }
	silent := rotate.SignerSeen{Err: errors.New("no route to host")}
	replacing := func() *plantest.Scene { // s1's key by a fresh one, for signers that flee from s2
		s := plantest.Stored()
		plantest.Leak("s2")(s)
		return s
	}
	released := func() *plantest.Scene {
		s := plantest.Ready()
		s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
		return s
	}
	for title, tt := range map[string]struct {
		scene func() *plantest.Scene
		key   int // of the scene's, at s1
		says  rotate.SignerSeen
		other func(*stage) // may be nil
		code  codes.Code
	}{
		"nothing uses it":                {plantest.Stored, 0, left, nil, ""},
		"a signer uses it":               {plantest.Stored, 0, old, nil, codes.SignerStrays},
		"it has it at another selector":  {plantest.Stored, 0, rotate.SignerSeen{Ref: plantest.RefTo("x", 0)}, nil, ""},
		"it has another one there":       {plantest.Stored, 0, rotate.SignerSeen{Ref: plantest.RefTo("s1", 3)}, nil, ""},
		"a signer is silent":             {plantest.Stored, 0, silent, nil, codes.SignerUnseen},
		"it is, and signers flee":        {replacing, 0, silent, nil, ""},
		"it is, and it is an older key":  {replacing, 3, silent, nil, codes.SignerUnseen},
		"a host is silent, released":     {released, 0, rotate.SignerSeen{Unheard: errTest}, nil, codes.SignerUnseen},
		"a host is silent, not released": {plantest.Stored, 0, rotate.SignerSeen{Unheard: errTest}, nil, ""},
		"mail is signed with it":         {plantest.Stored, 0, left, signed, codes.SignerStrays},
		"a dismissed one uses it":        {plantest.Stored, 0, rotate.SignerSeen{}, dismissed(old), codes.SignerLeftOver},
		"a dismissed one is silent":      {plantest.Stored, 0, rotate.SignerSeen{}, dismissed(silent), codes.SignerLeftOver},
		"a dismissed one has left it":    {plantest.Stored, 0, rotate.SignerSeen{}, dismissed(left), ""},
		"compromised, and one is silent": {flight, 0, silent, nil, ""},
		"compromised, one is half silent": {flight, 0,
			rotate.SignerSeen{Err: errTest, Here: plantest.RefTo("s1", 0)}, nil, ""},
		"compromised, released, silent": {released, 0, rotate.SignerSeen{Err: errTest, Unheard: errTest},
			func(s *stage) { plantest.Leak("s1")(s.Scene) }, ""},
	} {
		t.Run(title, func(t *testing.T) {
			s := onStage(t, tt.scene())
			s.Seen.Signers["mx1"] = tt.says
			s.Seen.Signers["mx2"] = left
			if tt.other != nil {
				tt.other(s)
				s.r.engine.signers["mx1"] = handover.To("mx1", s.signer("mx1"))
			}
			err := s.r.stillUnused(t.Context(), "s1", plantest.Keys()[tt.key].ID(), "destroy")
			if fault.CodeOf(err) != tt.code || (err == nil) != (tt.code == "") {
				t.Errorf("%v, want %q", err, tt.code)
			}
		})
	}
}

// dismissed has a signer that is no longer listed, and that said before that it has left s1, say something else
// by now.
func dismissed(says rotate.SignerSeen) func(*stage) {
	return func(s *stage) {
		s.r.seen.Dismissed = map[string]rotate.SignerSeen{"gone": {Ref: plantest.RefTo("s2", 1)}}
		s.Seen.Dismissed = map[string]rotate.SignerSeen{"gone": says}
		s.r.st.Signers["gone"] = rotate.Confirmed{Selector: "s1", KeyID: plantest.Keys()[0].ID(), At: plantest.LongAgo}
	}
}
