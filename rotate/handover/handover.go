// Package handover has signers sign with another key: each signer for many domains at once, and in an emergency so that
// one that hangs delays no other. It imports the leaves, rotate, rotate/batch, rotate/health, rotate/observe
// and rotate/ports.
package handover

import (
	"context"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Signer lets each domain call a signer for itself while the signer is called for many at once.
type Signer struct {
	ports.Signer
	Questions   *observe.Questions
	Proofs      *batch.Calls[dkim.SigningKey, struct{}] // nil where mail is not looked at; so is Mail
	Mail        *batch.Calls[string, observe.Mail]
	name        string
	activations *batch.Calls[dkim.SigningKey, struct{}]
	forgets     *batch.Calls[dkim.Ref, struct{}] // nil where the signer holds no copies of keys
	withdrawals *batch.Calls[dkim.Ref, struct{}] // nil where it is noted nowhere what it is asked for
}

// To returns the signer of that name as many domains call it.
func To(name string, s ports.Signer) *Signer {
	of := func(r dkim.Ref) string { return r.Domain }
	b := &Signer{Signer: s, name: name, Questions: observe.Ask(name, s),
		activations: batch.Each("switch signer "+name, func(k dkim.SigningKey) string { return k.Domain }, s.Activate)}
	b.Proofs, b.Mail = observe.AskMail(name, s)
	if f, ok := s.(ports.Forgetter); ok {
		b.forgets = batch.Each("have signer "+name+" forget keys", of, f.Forget)
	}
	if w, ok := s.(ports.Withdrawer); ok {
		b.withdrawals = batch.Each("end what signer "+name+" is asked for", of, w.Withdraw)
	}
	return b
}

// Lease is what an effect needs: it says whether the effect may begin still, and bounds what is asked afterwards.
type Lease interface {
	Holds() error
	Unhurried(ctx context.Context) (context.Context, context.CancelFunc)
}

// Answer is what became of the switch of a signer. Where one of its errors is set, what follows was not asked.
type Answer struct {
	Failed error             // why it was not switched, as far as is known
	Silent error             // why it did not say afterwards what it signs with
	Seen   rotate.SignerSeen // what it said, with the key as the state names it
	Proof  error             // why mail does not show the key
}

// Switch switches a signer, and asks it afterwards.
func (s *Signer) Switch(ctx context.Context, key dkim.SigningKey, st rotate.State, lease Lease) (a Answer) {
	defer fault.Caught("switch signer "+s.name, &a.Failed)
	if _, a.Failed = s.activations.CallIf(ctx, key, lease.Holds); a.Failed != nil {
		return a
	}
	ctx, cancel := lease.Unhurried(ctx) // the activation may have waited long for its turn
	defer cancel()
	a.Seen, a.Silent = s.Questions.Call(ctx, dkim.SigningKey{Name: dkim.Name{Domain: key.Domain}})
	a.Seen.Ref = st.Identify(a.Seen.Ref)
	if a.Silent == nil && a.Signs(key) && s.Proofs != nil {
		_, a.Proof = s.Proofs.Call(ctx, key)
	}
	return a
}

// Signs reports whether the signer said that it signs with the key.
func (a Answer) Signs(key dkim.SigningKey) bool {
	return a.Seen.Ref.Selector == key.Selector && a.Seen.Ref.KeyID == key.Ref().KeyID
}

// Patience is how long a signer that is to leave a compromised key is waited for before the others are begun, too.
const Patience = 3 * time.Second

// Begin begins to switch a signer; the state may be changed meanwhile.
func (s *Signer) Begin(ctx context.Context, key dkim.SigningKey, st rotate.State, lease Lease) <-chan Answer {
	answer := make(chan Answer, 1)
	st = rotate.CopyState(st)
	go func() { answer <- s.Switch(ctx, key, st, lease) }()
	return answer
}

// Await returns a signer's answer. When that does not come soon, it calls slow meanwhile.
func Await(answer <-chan Answer, slow func()) Answer {
	soon := time.NewTimer(Patience)
	defer soon.Stop()
	select {
	case a := <-answer:
		return a
	case <-soon.C:
		slow()
		return <-answer
	}
}

// Forget has those of a domain's signers that hold copies of private keys forget one, and those that are no longer
// listed be asked for it no more. Each is asked only while the lease is held: this process may be stopped between any
// two of them (I8).
func Forget(ctx context.Context, all map[string]*Signer, listed, dismissed []string, ref dkim.Ref, lease Lease) error {
	for _, name := range slices.Concat(dismissed, listed) {
		s := all[name]
		if s == nil {
			continue
		}
		ask := s.withdrawals
		if s.forgets != nil && slices.Contains(listed, name) {
			ask = s.forgets
		}
		if ask == nil {
			continue
		}
		if _, err := ask.CallIf(ctx, ref, lease.Holds); err != nil {
			return err
		}
	}
	return nil
}

// Over are the answers, by signer, of switches that were begun beside a slow one, are over and are yet to be noted.
type Over map[string]Answer

// Of reports whether the step is such a switch.
func (o Over) Of(s rotate.Step) bool {
	_, over := o[s.Signer]
	return over && s.Kind == rotate.Activate
}

// Take returns the answer of a signer, once: a later switch of the same signer is carried out.
func (o Over) Take(signer string) (a Answer, over bool) {
	a, over = o[signer]
	delete(o, signer)
	return a, over
}

// First orders steps: what is over is noted before any other effect.
func (o Over) First(a, b rotate.Step) int {
	switch {
	case o.Of(a) == o.Of(b):
		return 0
	case o.Of(a):
		return -1
	}
	return 1
}

// Behind returns those of the steps that follow the switch of a signer that leaves a compromised key which can be begun
// at the same time: the switches to the same key. A revocation that may come by now is not passed: signers that come
// after it delay nothing.
func Behind(j *health.Judge, s rotate.Step, rest, failed []rotate.Step) (out []rotate.Step) {
	if s.Kind != rotate.Activate || !j.Flight(s.Selector) {
		return nil
	}
	for _, next := range rest {
		switch {
		case next.Kind == rotate.Revoke && !j.MayRevoke(next.Selector):
		case next.Kind != rotate.Activate:
			return out
		case next.Selector == s.Selector && next.Duty == s.Duty && !slices.ContainsFunc(failed, next.Needs):
			out = append(out, next)
		}
	}
	return out
}
