package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/drivers"
)

// Drivers are the kinds of DNS accounts and signers that a configuration can name: each
// function returns empty settings of each.
type Drivers struct {
	DNS     func() []providers.Account
	Signers func() []signer.Settings
}

// Builtin are the drivers of this program.
func Builtin() Drivers { return Drivers{providers.Drivers, drivers.All} }

func (b *builder) readProvider(name string, s *node.Section) (providers.Config, bool) {
	p := providers.Config{Name: name}
	account, ok := driver(s, b.drivers.DNS(), func(a providers.Account) string { return a.Driver().Name })
	if !ok {
		return p, false
	}
	p.Account = account
	b.providerVerify[name] = readVerify(s.Sub("verify"))
	s.Read(&p.Limits, b.claims)
	s.Read(account, b.claims)
	s.Done()
	return p, true
}

func (b *builder) readSigner(name string, s *node.Section) (signer.Config, bool) {
	found, ok := driver(s, b.drivers.Signers(), func(d signer.Settings) string { return d.Driver().Name })
	if !ok {
		return signer.Config{}, false
	}
	if by, ok := found.(interface{ ProvedByMail() }); ok && s.Has("probe") {
		by.ProvedByMail()
	}
	s.Read(found, b.claims)
	b.claimUnnamed(name, found, s)
	if n, ok := found.(interface{ NeedsVault() bool }); ok && n.NeedsVault() && b.Keystore.Vault == nil {
		v := s.Get("driver")
		v.Fail("is for keys that are kept in Vault", "set keystore.driver to vault: what this signer reads is there")
	}
	c := signer.Config{Name: name, Was: s.Text("was", ""), Settings: found}
	if v := s.Get("was"); c.Was != "" {
		b.renamed = append(b.renamed, renamedSigner{c, v})
	}
	b.readProbe(name, s)
	s.Done()
	return c, true
}

// claimUnnamed claims what a signer takes for itself under its own name, where no key says another one.
func (b *builder) claimUnnamed(name string, found signer.Settings, s *node.Section) {
	u, ok := found.(interface {
		Unnamed(name string) *settings.Claim
	})
	if !ok {
		return
	}
	if c := u.Unnamed(name); c != nil {
		v := s.Get("driver")
		if p := c.Take("signers."+name, b.claims); p != nil {
			v.Fail(p.Text, p.Remedy)
		}
	}
}

// renamedSigner is a signer that had another name, and where that is said.
type renamedSigner struct {
	signer.Config
	at node.Value
}

// checkRenamed refuses a former name that is another signer's: what is known under it would count for two.
func (b *builder) checkRenamed() {
	first := map[string]string{}
	for _, r := range b.renamed {
		switch {
		case r.Was == r.Name:
			r.at.Fail("is the signer's name", "write the name that it had before, or leave was out")
		case slices.Contains(b.known.signers, r.Was):
			r.at.Fail(fmt.Sprintf("signer %s is still listed", r.Was),
				"a signer that was renamed has no entry under its former name: take one of the two out")
		case first[r.Was] != "":
			r.at.Fail(fmt.Sprintf("signer %s was called %s, too", first[r.Was], r.Was),
				"only one of the two can be the same signer as before: take was out at the other")
		default:
			first[r.Was] = r.Name
		}
	}
}

// renames returns those of the signers that had another name, with it: a domain may know one that it does not list.
func (b *builder) renames() map[string]string {
	var out map[string]string
	for name, s := range b.Signers {
		if was := s.Was; was != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = was
		}
	}
	return out
}

// driver returns the one of all whose name stands at the key driver.
func driver[T settings.Settings](s *node.Section, all []T, name func(T) string) (none T, ok bool) {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = name(d)
	}
	v, ok := s.Need("driver", "write driver: "+listed(names))
	if !ok {
		return none, false
	}
	text, ok := v.Text()
	if !ok {
		return none, false
	}
	if i := slices.Index(names, text); i >= 0 {
		return all[i], true
	}
	v.Fail(settings.Unknown("driver", text, names))
	return none, false
}

// listed joins words as a sentence does: "a, b or c".
func listed(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
