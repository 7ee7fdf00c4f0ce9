package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestDoesWhatWasApproved: a step is what a person approved when nothing that the plan showed of it has changed. Only a
// key that was yet to be made has another name and record by now; and only where a key is destroyed it matters which
// one was there before.
func TestDoesWhatWasApproved(t *testing.T) {
	approved := rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: "mx1", Algorithm: dkim.RSA2048, TTL: time.Hour,
		Signs: "s1", From: rotate.Side{KeyID: "0"}, To: rotate.Side{Selector: "s1", KeyID: "1", Record: someRecord}}
	fresh := func(s *rotate.Step) { s.To.KeyID, s.To.Record, s.To.Fresh = "", "", true }
	destroys := func(s *rotate.Step) { s.Kind = rotate.Destroy }
	same := func(*rotate.Step) {}
	for name, c := range map[string]struct {
		plan, now func(*rotate.Step) // how the approved step, and the one to take, differ
		want      bool
	}{
		"the same":                        {same, same, true},
		"another kind":                    {same, func(s *rotate.Step) { s.Kind = rotate.Verify }, false},
		"another selector":                {same, func(s *rotate.Step) { s.Selector = "s2" }, false},
		"another signer":                  {same, func(s *rotate.Step) { s.Signer = "mx2" }, false},
		"another key":                     {same, func(s *rotate.Step) { s.To.KeyID = "2" }, false},
		"another record":                  {same, func(s *rotate.Step) { s.To.Record = someoneElses }, false},
		"a key that is yet to be made":    {same, func(s *rotate.Step) { s.To.Fresh = true }, false},
		"a fresh key, made by now":        {fresh, same, true},
		"a fresh key, yet to be made":     {fresh, fresh, true},
		"a fresh key at another selector": {fresh, func(s *rotate.Step) { s.To.Selector = "s2" }, false},
		"the signer comes to another one": {same, func(s *rotate.Step) { s.To.Selector = "s2" }, false},
		"another algorithm":               {same, func(s *rotate.Step) { s.Algorithm = dkim.Ed25519 }, false},
		"another TTL":                     {same, func(s *rotate.Step) { s.TTL = time.Minute }, false},
		"another one signs from then on":  {same, func(s *rotate.Step) { s.Signs = "s2" }, false},
		"another key was there before":    {same, func(s *rotate.Step) { s.From.KeyID = "9" }, true},
		"the same key is destroyed":       {destroys, destroys, true},
		"another key is destroyed":        {destroys, func(s *rotate.Step) { destroys(s); s.From.KeyID = "9" }, false},
		"another key is destroyed, and one is yet to be made": {func(s *rotate.Step) { destroys(s); fresh(s) },
			func(s *rotate.Step) { destroys(s); s.From.KeyID = "9" }, false},
		"another time, reason and duty": {same, func(s *rotate.Step) {
			s.NotBefore, s.Reason.Message, s.Duty = time.Unix(1, 0), "why", rotate.Joining
		}, true},
	} {
		then, now := approved, approved
		c.plan(&then)
		if c.now(&now); now.Does(then) != c.want {
			t.Errorf("%s: it is what was approved: %t", name, now.Does(then))
		}
	}
}

// TestNeeds: a step waits for those before it that make its key fit for use, or that belong to the same work, and for
// nothing else: what can't be done for one key or signer keeps no other from its own (I1, I2).
func TestNeeds(t *testing.T) {
	step := func(kind rotate.Kind, selector string, duty rotate.Duty) rotate.Step {
		return rotate.Step{Kind: kind, Selector: selector, Duty: duty}
	}
	turn, revocation, joining, publicity := rotate.Turn, rotate.Revocation, rotate.Joining, rotate.Publicity
	for name, c := range map[string]struct {
		s, earlier rotate.Step
		want       bool
	}{
		"a signer joins after its own look":    {step(rotate.Activate, "s1", joining), step(rotate.Verify, "s1", joining), true},
		"after one at the other selector":      {step(rotate.Activate, "s1", joining), step(rotate.Verify, "s2", joining), false},
		"after the look of every server":       {step(rotate.Activate, "s1", joining), step(rotate.Verify, "s1", turn), false},
		"after another signer that joins":      {step(rotate.Activate, "s1", joining), step(rotate.Activate, "s1", joining), false},
		"the look of a signer that joins":      {step(rotate.Verify, "s1", joining), step(rotate.Verify, "s1", joining), false},
		"a switch after its key's publication": {step(rotate.Activate, "s1", turn), step(rotate.Publish, "s1", publicity), true},
		"a switch after the other key's, of the same work": {step(rotate.Activate, "s1", turn),
			step(rotate.Publish, "s2", turn), true},
		"a switch after the other key's, of other work": {step(rotate.Activate, "s1", turn),
			step(rotate.Publish, "s2", publicity), false},
		"a switch after another signer's": {step(rotate.Activate, "s1", turn), step(rotate.Activate, "s1", turn), false},
		"a revocation after a switch":     {step(rotate.Revoke, "s1", revocation), step(rotate.Activate, "s2", revocation), false},
		"a destruction after a switch":    {step(rotate.Destroy, "s1", revocation), step(rotate.Activate, "s2", revocation), true},
		"a destruction after a switch of other work": {step(rotate.Destroy, "s1", turn),
			step(rotate.Activate, "s2", revocation), false},
		"a purged key after its record's":    {step(rotate.Destroy, "s1", turn), step(rotate.Revoke, "s1", turn), true},
		"a purged key after the other's":     {step(rotate.Destroy, "s1", turn), step(rotate.Revoke, "s2", turn), false},
		"a purged key after an emergency's":  {step(rotate.Destroy, "s1", turn), step(rotate.Revoke, "s1", revocation), false},
		"a compromised key after its record": {step(rotate.Destroy, "s1", revocation), step(rotate.Revoke, "s1", revocation), false},
		"a destruction after another":        {step(rotate.Destroy, "s1", turn), step(rotate.Destroy, "s1", turn), false},
		"an old key after the fresh one":     {step(rotate.Destroy, "s1", turn), step(rotate.Verify, "s1", turn), true},
		"an old key after another one":       {step(rotate.Destroy, "s1", turn), step(rotate.Verify, "s2", turn), false},
		"an old key after other work":        {step(rotate.Destroy, "s1", turn), step(rotate.Verify, "s1", publicity), false},
		"a publication after its key":        {step(rotate.Publish, "s1", turn), step(rotate.StoreKey, "s1", turn), true},
		"a publication after its key, by other work": {step(rotate.Publish, "s1", publicity),
			step(rotate.StoreKey, "s1", turn), true},
		"a publication after the other's key":    {step(rotate.Publish, "s1", turn), step(rotate.StoreKey, "s2", turn), true},
		"repairs of two records":                 {step(rotate.Publish, "s1", publicity), step(rotate.Publish, "s2", publicity), false},
		"a publication after other work":         {step(rotate.Publish, "s1", turn), step(rotate.StoreKey, "s2", publicity), false},
		"a fresh key after the drain":            {step(rotate.Generate, "s1", turn), step(rotate.Drain, "s1", turn), true},
		"a fresh key after a switch":             {step(rotate.Generate, "s1", turn), step(rotate.Activate, "s1", turn), false},
		"a fresh key after one that is given up": {step(rotate.Generate, "s1", turn), step(rotate.Destroy, "s1", rotate.Disposal), false},
	} {
		if got := c.s.Needs(c.earlier); got != c.want {
			t.Errorf("%s: it waits: %t", name, got)
		}
	}
}
