package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// byMail is what mail has to say in a run.
type byMail struct{ *run }

// proved says what becomes of a switch that mail does not show, err says why. A signer that leaves a compromised key is
// believed without proof in two cases: no message arrived, or the message shows a wrong key that is not the
// compromised one. The note says so.
func (r byMail) proved(ctx context.Context, s rotate.Step, signer *handover.Signer,
	err error) (note string, _ error) {
	if err == nil || !r.judge().Flight(s.Selector) {
		return "", wayout.Back(r.judge(), err)
	}
	if fault.CodeOf(err) == codes.MailDiffers {
		seen, unseen := signer.Mail.Call(ctx, r.want.Name)
		if unseen == nil && slices.ContainsFunc(seen.Keys, func(k dkim.Ref) bool { return r.st.Leaked(k.Selector) }) {
			return "", err
		}
	}
	return "mail does not show it, and the other key is compromised: " + fault.Text(err), nil
}

// unused asks mail of a signer, too, before a key is changed in a way that can't be undone; what says how, in errors.
func (r byMail) unused(ctx context.Context, name string, signer *handover.Signer, key dkim.Ref, what string) error {
	if signer.Mail == nil {
		return nil
	}
	seen, err := signer.Mail.Call(ctx, r.want.Name)
	spares := r.st.Spares(key.Selector, key.KeyID)
	if err == nil && seen.Looked && len(seen.Keys) == 0 {
		err = errors.New("its mail is not signed")
	}
	switch {
	case err != nil && spares:
		return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: err,
			What: fmt.Sprintf("%s of %s: no mail of signer %s shows which key it uses", what, key.Name, name),
			Hint: "make a probe succeed, or take probe out of the signer's configuration; nothing was changed"}
	case err == nil && slices.ContainsFunc(seen.Keys, func(k dkim.Ref) bool {
		return k.Selector == key.Selector && (k.KeyID == key.KeyID || k.KeyID == "")
	}):
		return &fault.Error{Kind: fault.Transient, Code: codes.SignerStrays, Err: errors.New("its mail would fail"),
			What: fmt.Sprintf("%s of %s: mail of signer %s is signed with it", what, key.Name, name),
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
		if err != nil || signer.Mail == nil || seen.Err != nil {
			continue
		}
		shown, err := signer.Mail.Call(ctx, r.want.Name)
		said := r.st.Identify(seen.Ref)
		if err != nil || !shown.Looked || slices.ContainsFunc(shown.Keys, func(k dkim.Ref) bool {
			return k.Selector == said.Selector
		}) {
			continue
		}
		seen.Ref = dkim.Ref{}
		if len(shown.Keys) > 0 {
			seen.Ref = shown.Keys[0]
		}
		r.seen.Signers[name] = seen
	}
}
