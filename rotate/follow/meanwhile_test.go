package follow_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestUnserved: only a signer that answers and signs with nothing is to be given the key from before a move (I1), and
// no compromised one.
func TestUnserved(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*rotate.State)
		says   rotate.SignerSeen
		want   bool
	}{
		"it signs with nothing": {func(*rotate.State) {}, rotate.SignerSeen{}, true},
		"it signs":              {func(*rotate.State) {}, rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: "x"}}}, false},
		"a compromised key":     {func(st *rotate.State) { st.Earlier[st.Origin.Active].Key.Leaked = then }, rotate.SignerSeen{}, false},
		"nothing was active":    {func(st *rotate.State) { st.Origin.Active = "" }, rotate.SignerSeen{}, false},
		"no move":               {func(st *rotate.State) { *st = ready() }, rotate.SignerSeen{}, false},
		"one has a new key": {func(st *rotate.State) {
			st.Signers = map[string]rotate.Confirmed{"mx2": {Selector: "a"}}
		}, rotate.SignerSeen{}, false},
	} {
		st := rotate.CopyState(follow.Moved(ready(), names, listed))
		c.change(&st)
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says}}
		if f := follow.Unserved(st, seen, "mx1"); (f != nil) != c.want {
			t.Errorf("%s: %+v", title, f)
		}
	}
}
