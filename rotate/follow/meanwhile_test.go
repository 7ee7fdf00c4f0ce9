package follow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

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
		"released":              {func(st *rotate.State) { st.Released = &rotate.ReleaseState{} }, rotate.SignerSeen{}, false},
		"it does not answer":    {func(*rotate.State) {}, rotate.SignerSeen{Err: errors.New("no route to host")}, false},
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

// TestLostMeanwhile: what a signer waits for is said where the keystore has lost the key that the others use meanwhile; one
// that fetches the key itself is given it nevertheless.
func TestLostMeanwhile(t *testing.T) {
	st := follow.Moved(ready(), names, listed)
	s := st.Origin.Active
	for fetches, want := range map[bool]bool{false: true, true: false} {
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": {}}, Fetchers: map[string]bool{"mx1": fetches},
			Left: map[string]rotate.RecordSeen{s: {Lost: true}}}
		f := follow.Unserved(st, seen, "mx1")
		if f == nil || f.Asks != want || strings.Contains(f.Message, "missing from the keystore") != want {
			t.Errorf("%t: %+v", fetches, f)
		}
	}
}

// TestWaiting: a signer that confirmed nothing yet and signs with nothing is named while the keystore keeps the active key
// from it (I1); one that needs no keystore, or is only to be given the key, is not.
func TestWaiting(t *testing.T) {
	sealed := rotate.SelectorSeen{KeyErr: errors.New("sealed")}
	for title, c := range map[string]struct {
		says    rotate.SignerSeen
		key     rotate.SelectorSeen
		fetches bool
		known   bool
		want    bool
	}{
		"the keystore is sealed": {key: sealed, want: true},
		"the keystore answers":   {},
		"it fetches the key":     {key: sealed, fetches: true},
		"it signs":               {key: sealed, says: rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: "s2"}}}},
		"it is silent":           {key: sealed, says: rotate.SignerSeen{Err: errors.New("no route to host")}},
		"it confirmed a key":     {key: sealed, known: true},
	} {
		st := rotate.CopyState(ready())
		delete(st.Signers, "mx1")
		if c.known {
			st.Signers = map[string]rotate.Confirmed{"mx1": {Selector: st.Active}}
		}
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says}, Fetchers: map[string]bool{"mx1": c.fetches},
			Selectors: map[string]rotate.SelectorSeen{st.Active: c.key}}
		if f := follow.Waiting(st, seen, "mx1"); (f != nil) != c.want {
			t.Errorf("%s: %+v", title, f)
		}
	}
}

// TestDeadKeyLeftBehind: mail fails through a signer that signs with a revoked key of a selector from before a move, and
// that is said, also while the signer does not answer; one that has left the key is not named.
func TestDeadKeyLeftBehind(t *testing.T) {
	use := rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: "s1"}}}
	silent := rotate.SignerSeen{Err: errors.New("no route to host")}
	for title, c := range map[string]struct {
		change func(*rotate.State)
		says   rotate.SignerSeen
		want   string
	}{
		"it uses it":            {func(*rotate.State) {}, use, "mail of " + ready().Domain + " through mx1 fails now: it is signed with s1, whose key was revoked"},
		"it signs with nothing": {func(*rotate.State) {}, rotate.SignerSeen{}, ""},
		"it is silent": {func(st *rotate.State) { st.Former = rotate.Formers(nil).Uses("mx1", "s1") }, silent,
			"mail of " + ready().Domain + " through mx1 may fail now: it is not known what signs it, and s1, whose key was " +
				"revoked, did last"},
		"it is silent, and had left": {func(st *rotate.State) {
			st.Former = rotate.Formers{{Selector: "s1", Signer: "mx1", Until: then}}
		}, silent, ""},
		"it is silent, and has another": {func(st *rotate.State) {
			st.Former = rotate.Formers(nil).Uses("mx1", "s1")
			st.Signers = map[string]rotate.Confirmed{"mx1": {Selector: "a"}}
		}, silent, ""},
		"it is silent, and had left before": {func(st *rotate.State) {
			st.Former = rotate.Formers{{Selector: "s1", Signer: "mx1", Away: true}}
		}, silent, ""},
		"it is silent, and used another": {func(st *rotate.State) { st.Former = rotate.Formers(nil).Uses("mx1", "s2") }, silent, ""},
		"there is no key":                {func(st *rotate.State) { st.Earlier["s1"].Key = nil }, use, ""},
		"the domain never had it":        {func(st *rotate.State) { delete(st.Earlier, "s1") }, use, ""},
		"it is not revoked":              {func(st *rotate.State) { st.Earlier["s1"].Key.RevokedAt = time.Time{} }, use, ""},
		"released":                       {func(st *rotate.State) { st.Released = &rotate.ReleaseState{} }, use, ""},
	} {
		st := rotate.CopyState(follow.Moved(ready(), names, listed))
		st.Former = nil
		st.Earlier["s1"].Key.Leaked, st.Earlier["s1"].Key.RevokedAt = then, then
		c.change(&st)
		seen, said := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says}}, ""
		if f := follow.MailFails(st, seen, []string{"mx1", "mx2"}, "s1"); f != nil {
			said = f.Message
		}
		if said != c.want {
			t.Errorf("%s: %q, want %q", title, said, c.want)
		}
	}
}
