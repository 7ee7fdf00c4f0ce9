package follow

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Outdated reports whether another process has worked for the domain by a configuration that was read later and lists
// other signers or DNS accounts: this one may know nothing of what is in use. A time that is yet to come is no sign of
// that: the clock was set back since.
func Outdated(st rotate.State, want rotate.Domain, now time.Time) bool {
	return !want.ReadAt.IsZero() && st.Read.At.After(want.ReadAt) && !st.Read.At.After(now) && st.Read.With != with(want)
}

// Read returns the newest configuration of the domain that was worked by, when the state is written now.
func Read(st rotate.State, want rotate.Domain, now time.Time) finding.Reading {
	same := st.Read.With == with(want) && !st.Read.At.Before(want.ReadAt) && !st.Read.At.After(now)
	if want.ReadAt.IsZero() || same || Outdated(st, want, now) {
		return st.Read
	}
	return finding.Reading{With: with(want), At: want.ReadAt}
}

// with names what of the configuration decides which keys mail needs, and where.
func with(want rotate.Domain) string {
	return "signers: [" + strings.Join(slices.Sorted(slices.Values(want.Signers)), ", ") + "], providers: [" +
		strings.Join(slices.Sorted(slices.Values(want.Accounts())), ", ") + "]"
}
