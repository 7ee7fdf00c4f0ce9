package opendkim

import (
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// The daemon signs with the tables that it has loaded, which need not be those on the
// disk. Where it can be asked, its signature says which key it uses.

// ask returns what the daemon signs mail of each domain with; a domain that it does not sign
// for, or whose mail it turns away, is left out. When the daemon does not answer, that is
// the error of every domain that it was not asked about; down says that it does not run.
func (s *Signer) ask(ctx context.Context, domains []string, keys keyring) (active map[string]dkim.Ref,
	failed map[string]error, down bool) {
	active, failed = s.socket.Asked().Active(ctx, domains, keys.identify, func(err error) error {
		down = milter.Nobody(err)
		return milter.Silent(ctx, fmt.Sprintf("ask opendkim at %s what it signs with (signer %s)", s.cfg.Milter, s.cfg.Name),
			err, "see whether the daemon runs and whether milter in the configuration is its Socket; "+
				"what the tables say is no proof of what it signs with")
	})
	return active, failed, down
}

// identify finds the key that made the signature among those that the files hold; a zero Ref where the mail was not
// signed, or turned away.
func (k keyring) identify(a milter.Answer) (dkim.Ref, error) {
	s, domain, selectors := k.signer, a.Domain, a.Selectors()
	if len(selectors) == 0 {
		return dkim.Ref{}, nil
	}
	what := fmt.Sprintf("ask opendkim at %s what it signs %s with (signer %s)", s.cfg.Milter, domain, s.cfg.Name)
	if len(selectors) > 1 {
		a = a.Own(s.others(domain))
		selectors = a.Selectors()
	}
	if len(selectors) > 1 {
		return dkim.Ref{}, fault.Lasting(what,
			fmt.Errorf("it signs with the selectors %s and %s", selectors[0], selectors[1]),
			fmt.Sprintf("with MultipleSignatures every matching line signs: leave one line for *@%s in %s, dkimbot's if it has one",
				domain, s.signTable))
	}
	ref, err := a.Key(k.locations(domain, selectors[0]), s.publicKey)
	if err != nil {
		return dkim.Ref{}, fault.Lasting(what, err, "run as a user that may read OpenDKIM's keys")
	}
	return ref, nil
}

// keyring knows where keys are that a signature may have been made with.
type keyring struct {
	signer *Signer
	named  map[string][]string // domain and selector to the places that KeyTable entries name
	marker pending
}

func (s *Signer) keyring(view tablesView, marker pending) keyring {
	k := keyring{signer: s, named: map[string][]string{}, marker: marker}
	for _, e := range view.Entries {
		if e.Path != "" {
			at := strings.ToLower(e.Domain + " " + e.Selector)
			k.named[at] = append(k.named[at], e.Path)
		}
	}
	return k
}

// others returns what reports that a selector is none of those of which dkimbot keeps keys. With MultipleSignatures
// a person's line may sign as well, and takes nothing from the mail.
func (s *Signer) others(domain string) func(selector string) bool {
	return func(selector string) bool {
		return len(s.store.Kept(dkim.Name{Domain: domain, Selector: selector})) == 0
	}
}

// locations returns key files, and keys that stand in the table itself.
func (k keyring) locations(domain, selector string) []string {
	out := append([]string(nil), k.named[strings.ToLower(domain+" "+selector)]...)
	out = append(out, k.named[strings.ToLower("% "+selector)]...)
	if before := k.marker[domain]; before != nil && strings.EqualFold(before.Selector, selector) {
		out = append(out, before.Path)
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "%", domain)
	}
	return append(out, k.signer.store.Kept(dkim.Name{Domain: domain, Selector: selector})...)
}
