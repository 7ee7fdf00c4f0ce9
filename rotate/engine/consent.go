package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
)

// needsConsent reports whether the step begins a switch that somebody may object
// to. Nobody is asked when signers flee from a leaked key, when one is brought back to the
// active key, nor when the switch is under way: to stop halfway would leave signers with different keys.
func (r *run) needsConsent(s rotate.Step) bool {
	switch r.st.Phase {
	case rotate.Ready:
		return s.Selector != r.st.Active && !r.st.Leaked(r.st.Active)
	case rotate.Bootstrapping:
		// A signer that confirmed another selector flees from there.
		return len(r.st.Signers) == 0 && (r.st.Intent == nil || r.st.Intent.Kind != rotate.Activate)
	}
	return false
}

// consent asks whether the switch that the step begins may begin. After a veto no
// other signer is tried in this run.
func (r *run) consent(ctx context.Context, s rotate.Step) error {
	if r.engine.Consent == nil || !r.needsConsent(s) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, rotate.WorkTime)
	defer cancel()
	err := r.engine.Consent(limited, r.want, s)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // told to end while the answer was waited for
	}
	r.vetoed = err != nil
	return err
}
