package health_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// confirmed9 notes that mx9, which is no longer listed, confirmed a key.
func confirmed9(selector string, key int, change func(*rotate.Confirmed)) func(*scene) {
	c := rotate.Confirmed{Selector: selector, KeyID: plantest.Keys()[key].ID(), At: plantest.LongAgo, Left: true}
	change(&c)
	return left9(c)
}

// past lets selectors have had keys before, and none now where that is said.
func past(selector string, keyless bool, keys ...int) func(*scene) {
	return func(s *scene) {
		for _, key := range keys {
			s.Past(selector, plantest.Keys()[key].ID())
		}
		if keyless {
			s.Selector(selector).Key = nil
		}
	}
}

// TestDismissedUse: what a signer that is no longer listed says counts where it answers (I2).
func TestDismissedUse(t *testing.T) {
	uses := func(j *health.Judge) any { return shown.DismissedUse(j.Seen, "s1") }
	at, silent := plantest.RefTo("s1", 0), errors.New("no route to host")
	hold(t, map[string]verdict{
		"it signs":                {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: at})), uses, true},
		"this host does":          {plantest.Ready, changes(says9(rotate.SignerSeen{Here: at})), uses, true},
		"it signs with the other": {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s2", 1)})), uses, false},
		"it signs with nothing":   {plantest.Ready, changes(says9(rotate.SignerSeen{})), uses, false},
		"it does not answer":      {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: at, Err: silent})), uses, false},
		"there is none":           {plantest.Ready, nil, uses, false},
	})
}

// TestSaidOfDismissed: what is said of a signer that is no longer listed, and of its mail, is so.
func TestSaidOfDismissed(t *testing.T) {
	silent := errors.New("no route to host")
	plainly := func(*rotate.Confirmed) {}
	mute := func(c *rotate.Confirmed) { c.Silent = true }
	listed := func(c *rotate.Confirmed) { c.Left = false }
	says := func(j *health.Judge) any {
		f := (&health.Check{Judge: *j}).LeftOver("mx9")
		if f == nil {
			return ""
		}
		_, then, _ := strings.Cut(f.Message, "; ")
		return then
	}
	held := func(j *health.Judge) any {
		err := j.HeldByDismissed("replace", "s1", plantest.Keys()[0].ID())
		return strings.Contains(fault.Text(err), "(since ")
	}
	fails := func(j *health.Judge) any {
		return strings.Contains(j.RevokeReason("s1", "now").Message, "signer mx9 is no longer listed")
	}
	at := says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)})
	away := says9(rotate.SignerSeen{Err: silent})
	unheard := says9(rotate.SignerSeen{Unheard: silent})
	const (
		stands   = "mail that it still signs verifies, because that key is not replaced before it says that it does not sign with it: no route to host"
		replaced = "mail that it still signs fails, because that key was replaced"
	)
	hold(t, map[string]verdict{
		"another host is not heard of": {plantest.Ready, changes(unheard, confirmed9("s1", 0, plainly)), says, stands},
		"it does not answer":           {plantest.Ready, changes(away, confirmed9("s1", 0, plainly)), says, stands},
		"it does not answer, its key was replaced twice": {plantest.Ready,
			changes(away, confirmed9("s1", 3, mute), past("s1", false, 3, 2)), says, ""},
		"it was silent, its key was replaced": {plantest.Ready,
			changes(confirmed9("s1", 3, mute), past("s1", false, 2, 3)), says, replaced},
		"so it was, the present one is revoked": {plantest.Ready,
			changes(confirmed9("s1", 3, mute), past("s1", false, 2, 3), revokes("s1")), says, replaced},
		"so it was, there is none now": {plantest.Ready,
			changes(confirmed9("s2", 3, mute), past("s2", true, 2, 3)), says, replaced},
		"it had answered, its key was replaced": {plantest.Ready,
			changes(confirmed9("s1", 3, plainly), past("s1", false, 2, 3)), says, ""},
		"it was silent, its key is not known": {plantest.Ready, changes(confirmed9("s1", 3, mute)), says, ""},
		"it signs with a key of before, there is none now": {plantest.Ready,
			changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s2", 3)}), past("s2", true, 3)), says,
			"that mail fails, because that key was replaced"},
		"it fetches its key, and says the selector alone": {plantest.Ready,
			changes(says9(rotate.SignerSeen{Ref: dkim.Ref{Name: plantest.RefTo("s1", 0).Name}})), says,
			"that mail verifies, because that key is not replaced as long as it does"},

		"since when it is left":       {plantest.Drained, changes(at, confirmed9("s1", 0, plainly)), held, true},
		"it was not noted as left":    {plantest.Drained, changes(at, confirmed9("s1", 0, listed)), held, false},
		"its mail fails":              {plantest.Ready, changes(at, plantest.Leak("s1")), fails, true},
		"it signs with another":       {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s2", 1)})), fails, false},
		"it signs with one of before": {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 3)})), fails, false},
		"it signs with it at s2":      {plantest.Ready, changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s2", 0)})), fails, false},
		"what it said is not known": {plantest.Ready,
			changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 0), Err: silent})), fails, false},
		"there is no key": {plantest.Ready, changes(at, func(s *scene) { s.Selector("s1").Key = nil }), fails, false},
	})
}
