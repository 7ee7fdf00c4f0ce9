package rotate

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Former is a selector that does not belong to dkimbot, and that a signer signed with until dkimbot switched
// the signer. dkimbot does not change its record (I6).
type Former struct {
	Selector string `json:"selector"`
	Signer   string `json:"signer"`
	// when no mail needs the record any more; zero while the signer may still use it
	Until time.Time `json:"until,omitzero"`
	// the signer had left it, and did not say since that it uses it: its record may be gone after Due, as dkimbot asks for
	Away bool `json:"away,omitempty"`
	// what Until was when the signer left; that it is silent later, or is switched once more, does not change it
	Due time.Time `json:"due,omitzero"`
}

// Owed reports whether mail that was signed before the signer left may need the record at now.
func (f Former) Owed(now time.Time) bool { return now.Before(cmp.Or(f.Due, f.Until)) }

// Grace is added to the drain before somebody else's record may go: a person removes it once, and can't take it back.
const Grace = 24 * time.Hour

// Formers are the former selectors of a domain, for each signer.
type Formers []Former

// Uses notes that a signer signs with a selector that is not ours: for the first
// time, or once more, as when it came back from a backup.
func (all Formers) Uses(signer, selector string) Formers {
	for i := range all {
		if f := &all[i]; f.Selector == selector && f.Signer == signer {
			f.Until, f.Due, f.Away = time.Time{}, time.Time{}, false
			return all
		}
	}
	return append(all, Former{Selector: selector, Signer: signer})
}

// Left notes that a signer has switched, surely in effect at at, with the drain of the policy. Mail that was signed
// with a selector that was the domain's earlier is waited for as long as was promised when it was signed.
func (all Formers) Left(signer string, at time.Time, drain time.Duration, earlier Earlier) {
	for i := range all {
		if f := &all[i]; f.Signer == signer && f.Until.IsZero() {
			f.Until = at.Add(earlier.Drain(f.Selector, drain) + Grace)
			if !f.Away {
				f.Due, f.Away = f.Until, true
			}
		}
	}
}

// Leaving notes, before a signer is switched, what it signs with that is not ours.
// One that does not say may have come back to what it signed with before.
func (st *State) Leaving(signer string, seen SignerSeen) {
	for i := range st.Former {
		if f := &st.Former[i]; f.Signer == signer && seen.Err != nil {
			f.Until = time.Time{}
		}
	}
	for _, ref := range seen.Refs() {
		if st.Selectors[ref.Selector] == nil && seen.Err == nil {
			st.Former = st.Former.Uses(signer, ref.Selector)
		}
	}
}

// AllLeft notes, when the last signer of a domain that was new has switched, that each may have used any selector until
// then: one that did not say which is not among those that are known to have left it.
func (st *State) AllLeft(was Phase, drain time.Duration) {
	if was != Bootstrapping || st.Phase != Ready {
		return
	}
	for i := range st.Former {
		f := &st.Former[i]
		until := st.SwitchedAt.Add(st.Earlier.Drain(f.Selector, drain) + Grace)
		if !f.Until.IsZero() && f.Until.Before(until) {
			if f.Due, f.Until = cmp.Or(f.Due, f.Until), until; f.Owed(st.SwitchedAt) {
				f.Due = until
			}
		}
	}
}

// watchFormer notes which signers of a managed domain were seen to sign with a selector that is not ours, and which
// were seen to have come back from one. One that is no longer listed and can't be asked has left it by now.
func (st *State) watchFormer(want Domain, seen Observation, now time.Time) {
	if st.Active == "" || st.Released != nil {
		return
	}
	elsewhere := func(ref dkim.Ref) bool { return st.Selectors[ref.Selector] == nil }
	for _, name := range want.Signers {
		if s := seen.Signers[name]; s.Err == nil {
			st.Leaving(name, s)
			if refs := s.Refs(); len(refs) > 0 && !slices.ContainsFunc(refs, elsewhere) {
				st.Former.Left(name, now, want.Policy.Drain, st.Earlier)
			}
		}
	}
	for i, f := range st.Former {
		switch s := seen.Dismissed[f.Signer]; {
		case slices.Contains(want.Signers, f.Signer) || s.Err != nil || s.Unheard != nil:
		case s.At(f.Selector):
			st.Former.Uses(f.Signer, f.Selector)
		default:
			st.Former[i:i+1].Left(f.Signer, now, want.Policy.Drain, st.Earlier)
		}
	}
}

// Leftovers returns for each selector that signers have left when its record may go, zero while one of them may still
// use it: of a new domain any, until the last one has switched.
func (st State) Leftovers() map[string]time.Time {
	out := map[string]time.Time{}
	for _, f := range st.Former {
		if st.Active == "" {
			f.Until = time.Time{}
		}
		until, known := out[f.Selector]
		if !known || f.Until.IsZero() || !until.IsZero() && f.Until.After(until) {
			out[f.Selector] = f.Until
		}
	}
	return out
}
