package engine

import (
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// batchedSigner lets each domain call a signer for itself while the signer is called for many at once.
type batchedSigner struct {
	ports.Signer
	activations *batch.Calls[dkim.SigningKey, struct{}]
	questions   *observe.Questions
	proofs      *batch.Calls[dkim.SigningKey, struct{}] // nil where mail is not looked at; so is mail
	mail        *batch.Calls[string, observe.Mail]
	forgets     *batch.Calls[dkim.Ref, struct{}] // nil where the signer holds no copies of keys
	withdrawals *batch.Calls[dkim.Ref, struct{}] // nil where it is noted nowhere what it is asked for
}

func batched(name string, s ports.Signer) *batchedSigner {
	of := func(r dkim.Ref) string { return r.Domain }
	b := &batchedSigner{Signer: s, questions: observe.Ask(name, s),
		activations: batch.Each("switch signer "+name, func(k dkim.SigningKey) string { return k.Domain }, s.Activate)}
	b.proofs, b.mail = observe.AskMail(name, s)
	if f, ok := s.(ports.Forgetter); ok {
		b.forgets = batch.Each("have signer "+name+" forget keys", of, f.Forget)
	}
	if w, ok := s.(ports.Withdrawer); ok {
		b.withdrawals = batch.Each("end what signer "+name+" is asked for", of, w.Withdraw)
	}
	return b
}
