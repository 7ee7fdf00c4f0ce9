package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Judge returns nil when the message is signed once, with the selector, so that it verifies: any selector
// for "". Else it returns a fault that says what was seen and what to do.
func (p *Prober) Judge(r Report, selector string) error {
	if r.Err != nil {
		return r.Err
	}
	saw, hint := p.differs(r, selector)
	own := r.own()
	switch {
	case saw != "":
	case own[0].unseen != nil:
		hint := cmpHint(own[0].unseen, "see whether the domain's name servers answer")
		return &fault.Error{Kind: fault.Transient, Code: codes.ProbeFailed, What: p.what(r.Domain),
			Err: fmt.Errorf("its signature can't be verified: %w", plain(own[0].unseen)), Hint: hint}
	default:
		return nil
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.MailDiffers, Err: errors.New(saw), Hint: hint,
		What: fmt.Sprintf("check by mail that %s is signed with %s (signer %s)", r.Domain,
			cmp.Or(selector, "one key"), p.Signer)}
}

// differs says what the message shows that it should not, and what to do; "" for nothing.
func (p *Prober) differs(r Report, selector string) (saw, hint string) {
	own, others := r.own(), r.others()
	switch {
	case r.Odd != "":
		return "the message is odd: " + r.Odd, "see what the mail servers on the way add to it"
	case len(own) == 0:
		return "the message carries no signature of the domain" + others,
			"see whether the mail server hands mail that is submitted so to the signer, whether the signer takes the " +
				"sender for one of its own, and what its log says"
	case len(own) > 1:
		var all []string
		for _, s := range own {
			all = append(all, s.String())
		}
		return fmt.Sprintf("the message carries %d signatures of the domain: %s", len(own), strings.Join(all, ", ")),
			"let one signer sign, with one key: see whether mail passes a second signer, and whether its tables name two keys"
	case selector != "" && own[0].Selector != selector:
		return fmt.Sprintf("the message is signed with selector %s", own[0]),
			"see whether the signer has read its configuration again, and whether mail passes another signer that was " +
				"not switched"
	case own[0].Checked && own[0].Fault != "":
		return fmt.Sprintf("the signature %s does not verify: %s", own[0], own[0].Fault),
			"see whether something changes mail after it is signed (footers, subjects, encodings), and whether the signer's " +
				"key is the one whose record DNS shows"
	}
	return "", ""
}

// others says which other domains sign, for a sentence.
func (r Report) others() string {
	var all []string
	for _, s := range r.Signatures {
		if s.Field == dkimField && !s.Own {
			all = append(all, fmt.Sprintf("%s with %s", s.Domain, s.Selector))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; it is signed by " + strings.Join(all, ", ")
}

// pauses are how long a signer has before its next message, when one did not show what it should.
const firstPause, mostPause = 2 * time.Second, 20 * time.Second

// Prove has each key's domain sign a message and returns what keeps mail from showing that it is signed with the key,
// by domain. A domain whose mail shows something else gets further messages, until the timeout has passed, after again,
// which may be nil, has made the signer take up once more what was written for it.
func (p *Prober) Prove(ctx context.Context, keys []dkim.SigningKey, again func(context.Context)) map[string]error {
	public, wanted := map[string]dkim.PublicKey{}, map[string]string{}
	var left []string
	for _, k := range keys {
		public[k.Domain], wanted[k.Domain] = k.Public(), k.Selector
		left = append(left, k.Domain)
	}
	failed := map[string]error{}
	for pause, until := firstPause, time.Now().Add(p.Config.Timeout); len(left) > 0; pause = min(2*pause, mostPause) {
		var doubted []string
		for _, r := range p.Send(ctx, left, public) {
			err := p.Judge(r, wanted[r.Domain])
			if key := public[r.Domain]; err == nil && r.own()[0].KeyID != key.ID() {
				err = p.otherKey(r, wanted[r.Domain])
			}
			if failed[r.Domain] = err; err == nil {
				delete(failed, r.Domain)
			} else if fault.CodeOf(err) == codes.MailDiffers {
				doubted = append(doubted, r.Domain)
			}
		}
		left = doubted
		if len(left) == 0 || time.Now().Add(pause).After(until) {
			break
		}
		if again != nil {
			again(ctx)
			again = nil
		}
		select {
		case <-ctx.Done():
			return failed
		case <-time.After(pause):
		}
	}
	return failed
}

// otherKey is the fault of a signature that verifies, and not with the key that was wanted.
func (p *Prober) otherKey(r Report, selector string) error {
	return &fault.Error{Kind: fault.Transient, Code: codes.MailDiffers,
		What: fmt.Sprintf("check by mail that %s is signed with %s (signer %s)", r.Domain, selector, p.Signer),
		Err:  fmt.Errorf("the signature verifies with another key, which DNS shows at %s", selector),
		Hint: "find out who changed the record and the signer's key; run 'dkimbot status --domain " + r.Domain + "'"}
}

// Signed has each domain sign a message and returns, by domain, the keys that it is signed with: none for a message
// without a signature. The key id is "" where a signature does not verify. Failures are returned by domain.
func (p *Prober) Signed(ctx context.Context, domains []string) (signed map[string][]dkim.Ref, failed map[string]error) {
	signed, failed = map[string][]dkim.Ref{}, map[string]error{}
	for _, r := range p.Send(ctx, domains, nil) {
		if r.Err != nil {
			failed[r.Domain] = r.Err
			continue
		}
		signed[r.Domain] = []dkim.Ref{}
		for _, s := range r.own() {
			signed[r.Domain] = append(signed[r.Domain],
				dkim.Ref{Name: dkim.Name{Domain: r.Domain, Selector: s.Selector}, KeyID: s.KeyID})
		}
	}
	return signed, failed
}
