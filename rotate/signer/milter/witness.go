package milter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Witness shows what a signer really signs with, where the signer itself knows only what was written for it. An
// adapter has one key more (Field), asks Seen at the end of Active, and Prove at the end of Activate.
type Witness struct {
	Signer   string        // its name in the configuration
	Milter   string        // where it listens, in the normal form of Form; "" for none, then all is believed
	Patience time.Duration // how long a switch may take that has been written
	Remedy   string        // what to do when the milter signs otherwise, as a sentence without a full stop
}

// Field is the key milter of an adapter's configuration.
func Field(into *string) settings.Field {
	return settings.Field{
		Key:   "milter",
		Into:  into,
		Form:  Form(),
		Claim: func() *settings.Claim { return Own(*into, "milter") },
		Meaning: "the socket of the milter that signs, where there is one; " +
			"each switch is proved by a message that is sent there",
	}
}

// Seen returns what the domains are signed with, as Active does: what the milter signs with, in the place of what was
// said. Nothing could be said of the domains in failed, which may be nil. The key id that was said stays where both
// name the same selector: a signature does not say which key made it.
func (w Witness) Seen(ctx context.Context, domains []string, said map[string]dkim.Ref,
	failed map[string]error) (map[string]dkim.Ref, error) {
	socket := At(w.Milter)
	if socket.None() {
		return said, signer.Partial(failed, len(domains))
	}
	askable := slices.DeleteFunc(slices.Clone(domains), func(domain string) bool { return failed[domain] != nil })
	what := fmt.Sprintf("ask the milter at %s what it signs with (signer %s)", w.Milter, w.Signer)
	active, doubts := socket.Asked().Active(ctx, askable, func(a Answer) (dkim.Ref, error) {
		switch selectors := a.Selectors(); {
		case len(selectors) == 0:
			return dkim.Ref{}, nil
		case len(selectors) > 1:
			return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs %s with the selectors %s and %s", a.Domain,
				selectors[0], selectors[1]), "let it sign with one")
		case said[a.Domain].Selector == selectors[0]:
			return said[a.Domain], nil
		default:
			return dkim.Ref{Name: dkim.Name{Domain: a.Domain, Selector: selectors[0]}}, nil
		}
	}, func(err error) error {
		return Silent(ctx, what, err, "see whether it runs and whether milter in the configuration is its socket")
	})
	maps.Copy(doubts, failed)
	return active, signer.Partial(doubts, len(domains))
}

// Prove asks the milter about the keys that have not failed, until it signs with each or nothing more was proved for
// the time of its Patience, and adds to failed, by domain, what is not proved.
func (w Witness) Prove(ctx context.Context, keys []dkim.SigningKey, failed map[string]error) error {
	socket := At(w.Milter)
	if socket.None() {
		return nil
	}
	var wants []Want
	named := map[string]dkim.Name{}
	for _, k := range keys {
		if failed[k.Domain] != nil {
			continue
		}
		key := k.Public()
		if key.IsZero() {
			failed[k.Domain] = fault.Lasting(fmt.Sprintf("activate %s on signer %s", k.Name, w.Signer),
				fmt.Errorf("the key record %q can't be read", k.Record), "report this as a defect")
			continue
		}
		named[k.Domain] = k.Name
		wants = append(wants, Want{Name: k.Name, Key: key})
	}
	doubts := socket.Asked().Prove(ctx, wants, w.Patience)
	if len(doubts) > 0 && ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+w.Signer, context.Cause(ctx),
			"run it again: it continues with what is not proved yet")
	}
	for domain, f := range doubts {
		failed[domain] = fault.Temporary(
			fmt.Sprintf("prove that the milter at %s signs with %s (signer %s)", w.Milter, named[domain], w.Signer),
			f.Err, w.Remedy)
	}
	return nil
}
