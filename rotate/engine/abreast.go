package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/handover"
)

// In an emergency a signer that hangs delays no other: when its switch takes long, those that come after it are begun,
// too. All are noted before as intended (I7). Their answers are taken in turn, when each of them is over (I8).

// abreast is a run that switches signers.
type abreast struct{ *run }

// answer switches a signer, and returns what became of it. Of one that was switched beside another that is known.
func (r abreast) answer(ctx context.Context, s rotate.Step, signer *handover.Signer,
	key dkim.SigningKey) handover.Answer {
	if a, over := r.over.Take(s.Signer); over {
		return a
	}
	if len(r.behind) == 0 {
		return signer.Switch(ctx, key, r.st, r.lease)
	}
	var began map[string]<-chan handover.Answer
	a := handover.Await(signer.Begin(ctx, key, r.st, r.lease), func() { began = r.beside(ctx) })
	for name, answer := range began {
		r.over[name] = <-answer
	}
	return a
}

// beside begins the switches that come next while an earlier one lasts. One that can't be begun now has its turn.
func (r abreast) beside(ctx context.Context) map[string]<-chan handover.Answer {
	began, keys := map[string]<-chan handover.Answer{}, map[string]dkim.SigningKey{}
	afterwards(r).othersRan(r.behind[0].Selector)
	for _, s := range r.behind {
		if afterwards(r).mayActivate(ctx, s) != nil {
			continue
		}
		if key, err := r.given(ctx, s); err == nil {
			r.st.Intent.Beside, keys[s.Signer] = append(r.st.Intent.Beside, s.Signer), key
		}
	}
	if len(keys) == 0 || r.save(ctx) != nil || r.lease.Holds() != nil {
		return nil
	}
	r.begun = rotate.CopyState(r.st).Intent
	for _, s := range r.behind {
		if key, noted := keys[s.Signer]; noted {
			r.notify(s, codes.OutcomeBegun, "")
			began[s.Signer] = r.engine.signers[s.Signer].Begin(ctx, key, r.st, r.lease)
		}
	}
	return began
}
