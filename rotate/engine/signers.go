package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// batchedSigner lets each domain call a signer for itself while the signer is
// called for many at once.
type batchedSigner struct {
	ports.Signer
	activations *batch.Calls[dkim.SigningKey, struct{}]
	questions   *observe.Questions
	proofs      *batch.Calls[dkim.SigningKey, struct{}] // nil where mail is not looked at; so is mail
	mail        *batch.Calls[string, observe.Mail]
}

func batched(name string, s ports.Signer) *batchedSigner {
	proofs, mail := observe.AskMail(name, s)
	return &batchedSigner{Signer: s, questions: observe.Ask(name, s), proofs: proofs, mail: mail,
		activations: &batch.Calls[dkim.SigningKey, struct{}]{What: "switch signer " + name,
			Do: func(ctx context.Context, keys []dkim.SigningKey) ([]struct{}, []error) {
				err := s.Activate(ctx, keys)
				errs := make([]error, len(keys))
				for i, k := range keys {
					errs[i] = batch.ErrorFor(err, k.Domain)
				}
				return make([]struct{}, len(keys)), errs
			}}}
}
