package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/observe"
)

// stillUnused asks every signer again, directly before something is done to the key at a selector that
// can't be undone: what they said when the run began may be hours old, and a host may have come back from a
// backup meanwhile (I1, I2). A compromised key is not kept for a signer that does not answer. The exception
// is a signer that has never confirmed any key: a run that was killed may have given it this one.
func (r *run) stillUnused(ctx context.Context, selector, keyID, what string) error {
	for _, name := range r.want.Signers {
		signer, err := r.engine.signer(name)
		if err != nil {
			return err
		}
		seen, err := signer.Questions.Call(ctx, observe.Following(r.want, r.st))
		seen.Err = err
		r.seen.Signers[name] = seen
		_, known := r.st.Signers[name]
		sel := r.st.Selector(selector)
		replaces := sel.Next != nil && sel.Key.ID == keyID
		switch {
		case err != nil && replaces && r.judge().GoesWithout(name, selector):
		case err != nil && (!known || r.st.Spares(selector, keyID)):
			return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: err,
				What: fmt.Sprintf("%s of %s: signer %s did not answer which key it uses", what, r.name(selector), name),
				Hint: "make the signer answer, or take it out of the configuration if it is gone for good; nothing was changed"}
		case err == nil && r.st.Released != nil && seen.Unheard != nil:
			return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: seen.Unheard,
				What: fmt.Sprintf("%s of %s: another host of signer %s may sign with it", what, r.name(selector), name),
				Hint: fault.HintOf(seen.Unheard) + "; nothing was changed"}
		case err == nil && seen.At(selector) && seen.Uses(r.st, keyID):
			return &fault.Error{Kind: fault.Transient, Code: codes.SignerStrays, Err: errors.New("its mail would fail"),
				What: fmt.Sprintf("%s of %s: signer %s signs with it", what, r.name(selector), name),
				Hint: "nothing was changed; the signer is brought back to the active key at the next try"}
		}
		if err := (byMail{r}).unused(ctx, name, signer, dkim.Ref{Name: r.name(selector), KeyID: keyID}, what); err != nil {
			return err
		}
	}
	for name := range r.seen.Dismissed {
		seen, err := r.engine.signers[name].Questions.Call(ctx, observe.Following(r.want, r.st))
		seen.Err = err
		r.seen.Dismissed[name] = seen
	}
	return r.judge().HeldByDismissed(what, selector, keyID)
}
