package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// batchedSigner lets each domain call a signer for itself while the signer is
// called for many at once.
type batchedSigner struct {
	rotate.Signer
	activations *batch.Calls[dkim.SigningKey, struct{}]
	questions   *batch.Calls[string, dkim.Ref]
}

func batched(name string, s rotate.Signer) *batchedSigner {
	return &batchedSigner{Signer: s, questions: questions(name, s),
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

func questions(name string, s rotate.SignerReader) *batch.Calls[string, dkim.Ref] {
	return &batch.Calls[string, dkim.Ref]{What: "ask signer " + name, Reads: true,
		Do: func(ctx context.Context, domains []string) ([]dkim.Ref, []error) {
			active, err := s.Active(ctx, domains)
			refs, errs := make([]dkim.Ref, len(domains)), make([]error, len(domains))
			for i, d := range domains {
				refs[i], errs[i] = active[d], batch.ErrorFor(err, d)
			}
			return refs, errs
		}}
}
