package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// batchedSigner lets each domain call a signer for itself while the signer is
// called for many at once.
type batchedSigner struct {
	ports.Signer
	activations *batch.Calls[dkim.SigningKey, struct{}]
	questions   *batch.Calls[dkim.SigningKey, rotate.SignerSeen]
	proofs      *batch.Calls[dkim.SigningKey, struct{}] // nil where mail is not looked at; so is mail
	mail        *batch.Calls[string, mail]
}

func batched(name string, s ports.Signer) *batchedSigner {
	proofs, mail := proofs(name, s)
	return &batchedSigner{Signer: s, questions: questions(name, s), proofs: proofs, mail: mail,
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

// questions lets many domains ask a signer at once: what signs them, and whether it could be switched
// to the key that follows.
func questions(name string, s ports.SignerReader) *batch.Calls[dkim.SigningKey, rotate.SignerSeen] {
	return &batch.Calls[dkim.SigningKey, rotate.SignerSeen]{What: "ask signer " + name, Reads: true,
		Do: func(ctx context.Context, next []dkim.SigningKey) ([]rotate.SignerSeen, []error) {
			domains := make([]string, len(next))
			for i, k := range next {
				domains[i] = k.Domain
			}
			active, err := s.Active(ctx, domains)
			var whichever error
			var each map[string]error
			if screener, ok := s.(ports.Screener); ok {
				each, whichever = screener.Screen(ctx, next)
			}
			var here map[string]dkim.Ref
			var unheard error
			if several, ok := s.(ports.Several); ok {
				here, unheard = several.Hosts(ctx, domains)
			}
			seen, errs := make([]rotate.SignerSeen, len(next)), make([]error, len(next))
			for i, k := range next {
				seen[i] = rotate.SignerSeen{Ref: active[k.Domain], Here: here[k.Domain], Unheard: unheard}
				errs[i] = batch.ErrorFor(err, k.Domain)
				seen[i].Refuses = foresight.Lasting(batch.ErrorFor(whichever, k.Domain))
				if only := foresight.Lasting(each[k.Domain]); seen[i].Refuses == nil && only != nil {
					seen[i].Refuses, seen[i].RefusesOnly = only, k.Selector
				}
			}
			return seen, errs
		}}
}
