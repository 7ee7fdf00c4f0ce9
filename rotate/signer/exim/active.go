package exim

import (
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Active returns what each of the domains is signed with: table and key files are read as Exim reads them, foreign
// lines included. A domain that has no line, or no key, is left out. One whose line has several selectors, or whose
// key file can't be read, fails by itself.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	if err := s.store.KnowsReader(nameReader); err != nil {
		return nil, err
	}
	if err := s.store.Moved(s.cfg.Table); err != nil {
		return nil, err
	}
	data, err := keyfiles.ReadTable(s.cfg.Table)
	if err != nil {
		return nil, s.store.Fault("read table "+s.cfg.Table, err)
	}
	lines := entries(data)
	active, failed, err := signer.Signing(ctx, s.cfg.Name, domains, func(domain string) (dkim.Ref, error) {
		return s.signs(domain, lines[domain])
	})
	if err != nil {
		return nil, err
	}
	return active, signer.Partial(failed, len(domains))
}

// Overruled returns, by domain, which line of others Exim finds before ours, or which key file of ours others altered.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	data, _ := keyfiles.ReadTable(s.cfg.Table) // Active says what is wrong with it
	t, err := format.Parse(data)
	if err != nil {
		return nil
	}
	counts, out := entries(data), map[string]string{}
	for _, d := range domains {
		ours, is := t.Ours[d]
		if is && counts[d] != ours {
			out[d] = block.Overruled(s.cfg.Table, firstOf(d, t.Foreign, t.Numbers), d)
		} else if altered := s.store.Altered(d, extract(ours, "selector"), extract(ours, "privkey")); altered != "" {
			out[d] = altered
		}
	}
	return out
}

// signs says what the value of a line has a domain signed with.
func (s *Signer) signs(domain, value string) (dkim.Ref, error) {
	u, err := use(value)
	if err != nil {
		return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("find out what signer %s signs %s with", s.cfg.Name, domain),
			Err:  fmt.Errorf("%s: %w", s.cfg.Table, err),
			Hint: "let its line name one selector and that selector's key file"}
	}
	if u.selector == "" {
		return dkim.Ref{}, nil
	}
	id, err := s.keyID(u.file)
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: strings.ToLower(u.selector)}, KeyID: id}, err
}

// keyID reads the id of the key that privkey names, or holds itself; "" means that Exim can't sign with it.
func (s *Signer) keyID(privkey string) (string, error) {
	if !strings.HasPrefix(privkey, "/") {
		return keyfiles.KeyIDIn([]byte(privkey)), nil
	}
	key, err := s.store.PublicAt(privkey)
	return key.ID(), err
}
