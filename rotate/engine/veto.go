package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// needsConsent reports whether the step begins a switch that somebody may object
// to. No hook is asked when signers flee from a compromised key, when one is brought back to the
// active key, nor when the switch is under way: to stop halfway would leave signers with different keys.
func needsConsent(st rotate.State, s rotate.Step) bool {
	switch st.Phase {
	case rotate.Ready:
		return s.Selector != st.Active && !st.Leaked(st.Active)
	case rotate.Bootstrapping:
		// A signer that confirmed another selector flees from there.
		return len(st.Signers) == 0 && (st.Intent == nil || st.Intent.Kind != rotate.Activate)
	}
	return false
}

// consent asks whether the switch that the step begins may begin. After a veto no
// other signer is tried in this run.
func (r *run) consent(ctx context.Context, s rotate.Step) error {
	if r.engine.Consent == nil || !needsConsent(r.st, s) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, ports.WorkTime)
	defer cancel()
	err := r.engine.Consent(limited, r.want, s)
	if ctx.Err() != nil {
		return ctx.Err() // asked to end while the answer was waited for
	}
	r.vetoed = err != nil
	return err
}
