package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Counts says how many domains are in which phase, and how many need attention: the summary of `status --json`.
type Counts struct {
	Domains   int                  `json:"domains"`
	Phases    map[rotate.Phase]int `json:"phases"`
	Soon      int                  `json:"due_within_a_day"` // something comes next for them within a day
	Overdue   int                  `json:"overdue"`          // see Overdue
	Failing   int                  `json:"failing"`          // their last attempt failed
	FailingBy map[codes.Code]int   `json:"failing_by"`       // the same by the error's code
	Drifting  int                  `json:"drifting"`         // something was not as it should be at the last look
	Person    int                  `json:"need_a_person"`    // see NeedsPerson
	Unlisted  int                  `json:"unlisted"`         // the configuration lists them no more
	OnHold    int                  `json:"on_hold"`          // the schedule begins no switch of theirs
	Unrevoked int                  `json:"unrevoked"`        // a compromised key is not revoked, see Unrevoked
}

// NewCounts counts the states as they stand at now.
func NewCounts(states, unlisted []rotate.State, now time.Time) Counts {
	c := NoCounts(unlisted)
	for _, st := range states {
		c.Add(st, now)
	}
	return c
}

// NoCounts counts the domains that the configuration lists no more, and no other yet. A compromised key of such a
// domain stays public until a person lists it again.
func NoCounts(unlisted []rotate.State) Counts {
	c := Counts{Phases: map[rotate.Phase]int{}, FailingBy: map[codes.Code]int{}, Unlisted: len(unlisted)}
	for _, st := range unlisted {
		if len(Unrevoked(st)) > 0 {
			c.Person++
			c.Unrevoked++
		}
	}
	return c
}

// Add counts one more state as it stands at now.
func (c *Counts) Add(st rotate.State, now time.Time) {
	c.Domains++
	c.Phases[cmp.Or(st.Phase, rotate.New)]++
	if st.Failures > 0 {
		c.Failing++
		c.FailingBy[cmp.Or(st.Failed.Code, codes.Error)]++
	}
	if len(st.Drift) > 0 {
		c.Drifting++
	}
	if NeedsPerson(st) {
		c.Person++
	}
	if st.OnHold != nil {
		c.OnHold++
	}
	if len(Unrevoked(st)) > 0 {
		c.Unrevoked++
	}
	if st.Next != nil && Rests(st) == "" && st.Next.At.Before(now.Add(24*time.Hour)) {
		c.Soon++
	}
	if Overdue(st, now) {
		c.Overdue++
	}
}

// Rests says why the action that is noted as the domain's next does not come by itself: the domain is released, or on
// hold before a rotation. It is "" when the action comes.
func Rests(st rotate.State) string {
	switch {
	case st.Released != nil:
		return "released"
	case st.OnHold != nil && st.Next != nil && st.Next.Action == codes.ActionRotate:
		return "on hold"
	}
	return ""
}

// Unpublished returns the finding that the active record is missing from DNS and could not be published again, so that
// mail fails until it is; nil for none.
func Unpublished(st rotate.State) *finding.Finding {
	i := slices.IndexFunc(st.Drift, func(f finding.Finding) bool {
		return f.Code == codes.RecordVanished && f.Selector == st.Active
	})
	if i < 0 || st.Failures == 0 {
		return nil
	}
	return &st.Drift[i]
}

// Unrevoked returns the selectors whose key is compromised and stands in DNS as far as is known, in order: whoever has
// it can sign mail of the domain.
func Unrevoked(st rotate.State) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(st.Selectors)), func(s string) bool {
		k := st.Selectors[s].Key
		return k == nil || k.Leaked.IsZero() || !k.RevokedAt.IsZero() || k.PublishedAt.IsZero()
	})
}

// NeedsPerson reports that dkimbot can't continue with the domain by itself: something was refused for
// safety, differs in a way that it does not repair, keeps mail failing, or keeps a compromised key from being revoked.
func NeedsPerson(st rotate.State) bool {
	if st.Failures > 0 && (st.Refused || Unpublished(st) != nil || len(Unrevoked(st)) > 0) {
		return true
	}
	for _, f := range st.Drift {
		if f.Asks {
			return true
		}
	}
	return false
}

// MailFails reports whether all mail of the domain is known to fail now.
func MailFails(st rotate.State) bool {
	return Unpublished(st) != nil ||
		slices.ContainsFunc(st.Drift, func(f finding.Finding) bool { return f.Code == codes.MailFails })
}

// Graver reports whether a domain is to be named before another one: its mail fails; or else it needs a person, first
// for a compromised key that is not revoked; or else such a key waits for something; and the other one does not.
func Graver(st, than rotate.State) bool {
	rank := func(st rotate.State) int {
		exposed, person := len(Unrevoked(st)) > 0, NeedsPerson(st)
		switch {
		case MailFails(st):
			return 4
		case person && exposed:
			return 3
		case person:
			return 2
		case exposed:
			return 1
		}
		return 0
	}
	return rank(st) > rank(than)
}

// late is how long a daemon or timer may take to come to a domain whose time has come.
const late = 2 * time.Hour

// Overdue reports that no run came to the domain when its time had come: neither the daemon nor a
// timer works, or they take too long.
func Overdue(st rotate.State, now time.Time) bool {
	return st.Released == nil && st.Next != nil && now.Sub(st.Next.At) > late
}

// HasLeaked reports whether a key of the domain is compromised, also one at a selector that the domain has left, until
// it is revoked.
func HasLeaked(st rotate.State) bool {
	for _, s := range st.Selectors {
		if s.Key != nil && !s.Key.Leaked.IsZero() {
			return true
		}
	}
	return slices.ContainsFunc(st.Drift, func(f finding.Finding) bool { return f.Code == codes.RecordExposed })
}

// NeedsAttention reports that a person may want to know more of the domain than its phase.
func NeedsAttention(st rotate.State, now time.Time) bool {
	return HasLeaked(st) || st.Failures > 0 || len(st.Drift) > 0 || len(st.Held) > 0 || Overdue(st, now)
}

// Gist returns what a line about a domain needs, without what only a domain that is shown whole needs: where there
// are very many domains, the rest of them fills the memory. What needs attention is returned whole. Counts of the gists
// are those of the states.
func Gist(st rotate.State, now time.Time) rotate.State {
	if NeedsAttention(st, now) {
		return st
	}
	st.Selectors, st.Earlier, st.Origin, st.Signers, st.Former = nil, nil, nil, nil, nil
	st.Accounts, st.Clock, st.Intent, st.Applied, st.Config = nil, nil, nil, "", ""
	return st
}
