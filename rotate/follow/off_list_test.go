package follow_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestOffTheList: of a signer that is no longer listed and signs with a selector from before a move, it is said what
// becomes of its mail; one that does not answer, or signs with something else, is not named here.
func TestOffTheList(t *testing.T) {
	at := func(selector, keyID string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: selector}, KeyID: keyID}}
	}
	for title, c := range map[string]struct {
		says   rotate.SignerSeen
		change func(*rotate.State)
		want   string // how the message ends; "" for none
	}{
		"an old key":         {at("s1", ""), func(*rotate.State) {}, "that mail verifies, because the record is kept as long as it does"},
		"one that was there": {at("s1", "earlier"), func(*rotate.State) {}, "that mail fails, because that key was replaced"},
		"a compromised one": {at("s1", ""), func(st *rotate.State) { st.Earlier["s1"].Key.Leaked = then },
			"which is compromised, is revoked: nothing waits for this signer"},
		"a revoked one": {at("s1", ""), func(st *rotate.State) {
			st.Earlier["s1"].Key.Leaked, st.Earlier["s1"].Key.RevokedAt = then, then
		}, "that mail fails, because that key was revoked"},
		"one whose key is gone": {at("s1", ""), func(st *rotate.State) { st.Earlier["s1"].Key = nil },
			"that mail fails, because that key was replaced"},
		"its answer is cut off": {rotate.SignerSeen{Ref: at("s1", "").Ref, Err: errors.New("cut off")}, func(*rotate.State) {}, ""},
		"nothing":               {at("", ""), func(*rotate.State) {}, ""},
		"another selector":      {at("elsewhere", ""), func(*rotate.State) {}, ""},
		"it does not answer":    {rotate.SignerSeen{Err: errors.New("no route to host")}, func(*rotate.State) {}, ""},
		"the domain is freed":   {at("s1", ""), func(st *rotate.State) { st.Released = &rotate.ReleaseState{} }, ""},
	} {
		st := rotate.CopyState(follow.Moved(ready(), names, listed))
		c.change(&st)
		if f := follow.OffTheList(st, rotate.Observation{}, "mx9"); f != nil {
			t.Errorf("%s: of one that was not asked it is said: %s", title, f.Message)
		}
		seen := rotate.Observation{Dismissed: map[string]rotate.SignerSeen{"mx9": c.says}}
		f := follow.OffTheList(st, seen, "mx9")
		if (f != nil) != (c.want != "") || f != nil && (!strings.HasSuffix(f.Message, c.want) || f.Signer != "mx9") {
			t.Errorf("%s: %+v", title, f)
		}
	}
}
