package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// batchedSigner lets each domain call a signer for itself while the signer is
// called for many at once.
type batchedSigner struct {
	rotate.Signer
	activations *batch.Calls[dkim.SigningKey, struct{}]
	questions   *batch.Calls[string, rotate.SignerSeen]
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

// questions lets many domains ask a signer at once: what signs them, and whether it could be changed.
func questions(name string, s rotate.SignerReader) *batch.Calls[string, rotate.SignerSeen] {
	return &batch.Calls[string, rotate.SignerSeen]{What: "ask signer " + name, Reads: true,
		Do: func(ctx context.Context, domains []string) ([]rotate.SignerSeen, []error) {
			active, err := s.Active(ctx, domains)
			var refusal error
			if screener, ok := s.(rotate.Screener); ok {
				refusal = screener.Screen(ctx, domains)
			}
			seen, errs := make([]rotate.SignerSeen, len(domains)), make([]error, len(domains))
			for i, d := range domains {
				seen[i], errs[i] = rotate.SignerSeen{Ref: active[d], Refuses: lasting(batch.ErrorFor(refusal, d))},
					batch.ErrorFor(err, d)
			}
			return seen, errs
		}}
}

// lasting returns err unless it may pass by itself.
func lasting(err error) error {
	if err == nil || fault.KindOf(err) == fault.Transient {
		return nil
	}
	return err
}
