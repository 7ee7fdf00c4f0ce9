package follow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/google/go-cmp/cmp"
)

// TestRenamedCounts: what is known of a signer counts for its new name where the configuration lists that and not the
// earlier one. Of two that were both listed until now, none is taken for the other one (I2, I10).
func TestRenamedCounts(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	sure := rotate.Confirmed{Selector: "s1", KeyID: "1", At: at}
	left := rotate.Confirmed{Selector: "s1", KeyID: "1", At: at, Left: true, Silent: true}
	for name, c := range map[string]struct {
		signers []string
		have    rotate.State
		renamed bool
	}{
		"confirmed":  {[]string{"mail"}, rotate.State{Signers: rotate.Confirmations{"mx1": sure}}, true},
		"not listed": {[]string{"mx2"}, rotate.State{Signers: rotate.Confirmations{"mx1": left}}, true},
		"not listed, and both are known": {[]string{"mx2"},
			rotate.State{Signers: rotate.Confirmations{"mx1": left, "mail": left}}, false},
		"not listed, and nothing is known": {[]string{"mx2"}, rotate.State{Signers: rotate.Confirmations{"mx2": sure}}, false},
		"the earlier one is listed too": {[]string{"mail", "mx1"},
			rotate.State{Signers: rotate.Confirmations{"mx1": sure}}, false},
		"nothing is known": {[]string{"mail"}, rotate.State{Signers: rotate.Confirmations{"mx2": sure},
			Former: rotate.Formers{{Selector: "old", Signer: "mx2"}}}, false},
		"nothing at all is known": {[]string{"mail"}, rotate.State{}, false},
		"the new one is known, nothing of the earlier one": {[]string{"mail"},
			rotate.State{Signers: rotate.Confirmations{"mail": sure}}, false},
		"sent back": {[]string{"mail"}, rotate.State{Held: []string{"mx1"}}, true},
		"another selector before": {[]string{"mail"},
			rotate.State{Former: rotate.Formers{{Selector: "old", Signer: "mx1"}}}, true},
		"both were listed until now": {[]string{"mail"},
			rotate.State{Signers: rotate.Confirmations{"mx1": sure, "mail": sure}}, false},
		"both are known, the earlier one left": {[]string{"mail"},
			rotate.State{Signers: rotate.Confirmations{"mx1": left, "mail": sure}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			want := rotate.Domain{Signers: c.signers, Renamed: map[string]string{"mail": "mx1"}}
			before := rotate.CopyState(c.have)
			_, events := follow.Renamed(c.have, want, at)
			if renamed := len(events) > 0; renamed != c.renamed {
				t.Errorf("renamed: %t", renamed)
			}
			if diff := cmp.Diff(before, rotate.CopyState(c.have)); diff != "" {
				t.Errorf("the state that was read has changed:\n%s", diff)
			}
		})
	}
}

// TestRenamedEverywhere: what stands under the earlier name stands under the new one then, wherever it is, and what
// is known of others stays. One that had left was not asked since, so it has to confirm again (I10).
func TestRenamedEverywhere(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	key := func(c rotate.Confirmed) rotate.Confirmed {
		c.Selector, c.KeyID, c.At = "s1", "1", at
		return c
	}
	state := func(name string, c rotate.Confirmed, held ...string) rotate.State {
		return rotate.State{Held: held, Signers: rotate.Confirmations{name: c, "mx2": key(rotate.Confirmed{})},
			Former: rotate.Formers{{Selector: "old", Signer: "mx2"}, {Selector: "old", Signer: name}},
			Drift: []finding.Finding{{Code: codes.SignerLeftOver, Signer: "mx2"}, {Code: codes.SignerSilent, Signer: name},
				{Code: codes.SignerSilent, Signer: "mx2"}},
			Intent: &rotate.Intent{Kind: rotate.Activate, Signer: name}}
	}
	for _, c := range []struct{ before, after rotate.Confirmed }{
		{key(rotate.Confirmed{}), key(rotate.Confirmed{Was: "mx1"})},
		{key(rotate.Confirmed{Unsure: true}), key(rotate.Confirmed{Unsure: true, Was: "mx1"})},
		{key(rotate.Confirmed{Left: true, Silent: true}), key(rotate.Confirmed{Unsure: true, Was: "mx1"})},
		{key(rotate.Confirmed{Was: "mx0"}), key(rotate.Confirmed{Was: "mx0 mx1"})},
		{key(rotate.Confirmed{Was: "mx1 mail"}), key(rotate.Confirmed{Was: "mx1 mail"})},
	} {
		for _, held := range [][2][]string{{{"mx1", "mx2"}, {"mail", "mx2"}}, {{"mx2", "mx1"}, {"mx2", "mail"}},
			{{"mx2"}, {"mx2"}}} {
			have := state("mx1", c.before, held[0]...)
			have.Drift = append(have.Drift, finding.Finding{Code: codes.SignerLeftOver, Signer: "mx1"})
			got, _ := follow.Renamed(have, rotate.Domain{Signers: []string{"mail", "mx2"},
				Renamed: map[string]string{"mail": "mx1"}}, at)
			if diff := cmp.Diff(rotate.CopyState(state("mail", c.after, held[1]...)), got); diff != "" {
				t.Errorf("%+v, sent back %v:\n%s", c.before, held[0], diff)
			}
		}
	}
}

// TestRenamedOffTheList: one that is not listed any more is known under its new name to have been taken off the list, and
// to sign nevertheless (I2).
func TestRenamedOffTheList(t *testing.T) {
	c := rotate.Confirmed{Selector: "s1", KeyID: "1", At: then, Left: true, Signs: true}
	left := finding.Finding{Code: codes.SignerLeftOver, Signer: "mx1"}
	got, _ := follow.Renamed(rotate.State{Signers: rotate.Confirmations{"mx1": c}, Drift: []finding.Finding{left}},
		rotate.Domain{Signers: []string{"mx2"}, Renamed: map[string]string{"mail": "mx1"}}, then)
	c.Was = "mx1"
	if diff := cmp.Diff(rotate.Confirmations{"mail": c}, got.Signers); diff != "" {
		t.Error(diff)
	}
	if left.Signer = "mail"; !slices.Equal(got.Drift, []finding.Finding{left}) {
		t.Errorf("what is said of it: %+v", got.Drift)
	}
}

// TestRenamedKeepsOthers: a signer about which nothing was confirmed has confirmed nothing under its new name, what
// the new one has confirmed itself stays, and an effect that was begun at another signer is that one's (I7, I10).
func TestRenamedKeepsOthers(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	want := rotate.Domain{Signers: []string{"mail", "mx2"}, Renamed: map[string]string{"mail": "mx1"}}
	held, _ := follow.Renamed(rotate.State{Held: []string{"mx1"},
		Intent: &rotate.Intent{Kind: rotate.Activate, Signer: "mx2"}}, want, at)
	if len(held.Signers) > 0 || held.Intent.Signer != "mx2" {
		t.Errorf("signers %+v, intent %+v", held.Signers, held.Intent)
	}
	beside, _ := follow.Renamed(rotate.State{Held: []string{"mx1"}, Intent: &rotate.Intent{Kind: rotate.Activate,
		Signer: "mx2", Beside: []string{"mx3", "mx1"}}}, want, at)
	if i := beside.Intent; i.Signer != "mx2" || !slices.Equal(i.Beside, []string{"mx3", "mail"}) {
		t.Errorf("begun at the same time: %+v", i)
	}
	own := rotate.Confirmed{Selector: "s2", KeyID: "2", At: at}
	both, _ := follow.Renamed(rotate.State{Signers: rotate.Confirmations{"mail": own,
		"mx1": {Selector: "s1", KeyID: "1", Left: true}}}, want, at)
	if diff := cmp.Diff(rotate.Confirmations{"mail": own}, both.Signers); diff != "" {
		t.Error(diff)
	}
}
