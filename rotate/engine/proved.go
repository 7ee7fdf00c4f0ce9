package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// mail is what a domain's mail through a signer shows. Not all signers have their mail looked at.
type mail struct {
	looked bool
	keys   []dkim.Ref
}

// proofs lets many domains be proved by mail at once; nil for a signer whose mail is not looked at.
func proofs(name string, s ports.Signer) (*batch.Calls[dkim.SigningKey, struct{}], *batch.Calls[string, mail]) {
	p, ok := s.(ports.Prober)
	if !ok {
		return nil, nil
	}
	return &batch.Calls[dkim.SigningKey, struct{}]{What: "look at mail of signer " + name, Reads: true,
			Do: func(ctx context.Context, keys []dkim.SigningKey) ([]struct{}, []error) {
				err := p.Prove(ctx, keys)
				errs := make([]error, len(keys))
				for i, k := range keys {
					errs[i] = batch.ErrorFor(err, k.Domain)
				}
				return make([]struct{}, len(keys)), errs
			}}, &batch.Calls[string, mail]{What: "look at mail of signer " + name, Reads: true,
			Do: func(ctx context.Context, domains []string) ([]mail, []error) {
				signed, err := p.Signed(ctx, slices.Compact(slices.Sorted(slices.Values(domains))))
				out, errs := make([]mail, len(domains)), make([]error, len(domains))
				for i, d := range domains {
					keys, looked := signed[d]
					out[i], errs[i] = mail{looked, keys}, batch.ErrorFor(err, d)
				}
				return out, errs
			}}
}

// byMail is what mail has to say in a run.
type byMail struct{ *run }

// proved checks a switch by mail, where the signer's mail is looked at. A signer that leaves a compromised key is
// believed without proof in two cases: no message arrived, or the message shows a wrong key that is not the
// compromised one. The note says so.
func (r byMail) proved(ctx context.Context, s rotate.Step, signer *batchedSigner,
	key dkim.SigningKey) (note string, err error) {
	if signer.proofs == nil {
		return "", nil
	}
	_, err = signer.proofs.Call(ctx, key)
	if err == nil || !r.judge().Flight(s.Selector) {
		return "", plan.WayBack(r.judge(), err)
	}
	if fault.CodeOf(err) == codes.MailDiffers {
		seen, unseen := signer.mail.Call(ctx, r.want.Name)
		if unseen == nil && slices.ContainsFunc(seen.keys, func(k dkim.Ref) bool { return r.st.Leaked(k.Selector) }) {
			return "", err
		}
	}
	return "mail does not show it, and the other key is compromised: " + fault.Text(err), nil
}

// unused asks mail, too, before something that can't be taken back is done to the key at a selector.
func (r byMail) unused(ctx context.Context, name string, signer *batchedSigner,
	selector, keyID, what string) error {
	if signer.mail == nil {
		return nil
	}
	seen, err := signer.mail.Call(ctx, r.want.Name)
	spares := r.st.Spares(selector, keyID)
	if err == nil && seen.looked && len(seen.keys) == 0 {
		err = errors.New("its mail is not signed")
	}
	switch {
	case err != nil && spares:
		return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: err,
			What: fmt.Sprintf("%s of %s: no mail of signer %s shows which key it uses", what, r.name(selector), name),
			Hint: "see to it that a probe succeeds, or take probe out of the signer's configuration; nothing was changed"}
	case err == nil && slices.ContainsFunc(seen.keys, func(k dkim.Ref) bool {
		return k.Selector == selector && (k.KeyID == keyID || k.KeyID == "")
	}):
		return &fault.Error{Kind: fault.Transient, Code: codes.SignerStrays, Err: errors.New("its mail would fail"),
			What: fmt.Sprintf("%s of %s: mail of signer %s is signed with it", what, r.name(selector), name),
			Hint: "nothing was changed; see which program signs that mail, as a second one behind this signer, and switch it"}
	}
	return nil
}

// look replaces what signers say by what their mail shows, when the domain's turn has come. Nothing is replaced when
// a probe fails, when a signer does not answer, or when the mail shows several keys and one of them is the key that
// the signer says.
func (r byMail) look(ctx context.Context) {
	rests := r.st.Phase == rotate.Ready || r.st.Phase == rotate.Draining
	if !rests || r.st.Failures > 0 || !observe.MailIsDue(r.want.Name, r.engine.Clock.Now()) {
		return
	}
	for _, name := range r.want.Signers {
		signer, err := r.engine.signer(name)
		seen := r.seen.Signers[name]
		if err != nil || signer.mail == nil || seen.Err != nil {
			continue
		}
		shown, err := signer.mail.Call(ctx, r.want.Name)
		said := r.st.Identify(seen.Ref)
		if err != nil || !shown.looked || slices.ContainsFunc(shown.keys, func(k dkim.Ref) bool {
			return k.Selector == said.Selector
		}) {
			continue
		}
		seen.Ref = dkim.Ref{}
		if len(shown.keys) > 0 {
			seen.Ref = shown.keys[0]
		}
		r.seen.Signers[name] = seen
	}
}
