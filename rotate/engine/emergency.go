package engine

import (
	"context"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

// While a compromised key is in use, a failure stops only the steps that need what failed. If one
// signer does not answer, the others still leave the key now, and its record is still revoked now.

// goesOn reports whether the run continues after a failure.
func (r *run) goesOn(ctx context.Context, err error) bool {
	held := (*quota.HeldBack)(nil)
	return r.st.Emergency() && ctx.Err() == nil && r.lease.Holds() == nil && !errors.As(err, &held)
}

// sooner has the end of an emergency's wait come next where that is before the next try of what failed beside it: from
// then on signers can leave the compromised key (I2). While the record is still to be seen, the end of the wait moves
// on, and the next look comes first. It reports whether it does.
func sooner(steps []rotate.Step, st *rotate.State, now time.Time) (changed bool) {
	for _, s := range steps {
		key := st.Selector(s.Selector).Wanted()
		leaves := s.Duty == rotate.Revocation && s.Kind == rotate.Activate
		if !leaves || key == nil || key.VerifiedAt.IsZero() || !s.NotBefore.After(now) || !s.NotBefore.Before(st.NextTry) {
			continue
		}
		st.NextTry, changed = s.NotBefore, true
		st.Next = &rotate.Next{Action: rotate.Activate, Selector: s.Selector, At: s.NotBefore,
			Reason: rotate.Reason{Code: codes.Cache, Message: "resolvers may still answer from before the record of " +
				s.Selector + " was published; signers leave the compromised key then"}}
	}
	return changed
}
