package config

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// domainProviders returns the DNS account of a domain, and those that hold its records, too.
func (b *builder) domainProviders(s *node.Section) (first string, also []string) {
	v, several := s.Take("providers")
	if !several {
		return b.domainProvider(s), nil
	}
	if s.Has("provider") {
		v.Fail("stands beside provider", "list all DNS accounts of the domain in providers, and take provider out")
		s.Take("provider")
	}
	names, at := v.Texts()
	for i, name := range names {
		if !slices.Contains(b.known.providers, name) {
			at[i].Fail(settings.Unknown("provider", name, b.known.providers))
		}
		if slices.Contains(names[:i], name) {
			at[i].Fail(fmt.Sprintf("provider %s is listed twice", name), "keep one of the two")
		}
	}
	if items, ok := v.List(); ok && len(items) == 0 {
		v.Fail("is an empty list", "list the DNS accounts that hold the domain's records: providers: [old, new]")
	}
	if len(names) == 0 {
		return "", nil
	}
	return names[0], names[1:]
}

// verifyOf returns how records of the accounts are looked for: those of several on the servers of all.
func (b *builder) verifyOf(accounts []string) verifyLayer {
	all := b.providerVerify[accounts[0]]
	for _, name := range accounts[1:] {
		for _, server := range b.providerVerify[name].nameservers {
			if !slices.Contains(all.nameservers, server) {
				all.nameservers = append(slices.Clone(all.nameservers), server)
			}
		}
	}
	return all
}

// checkSeen makes sure that a record of several accounts is seen on the servers of each, wherever the zone is
// delegated to: no key is used that only some would show (I2).
func (b *builder) checkSeen(s *node.Section, d Domain, own verifyLayer) {
	v := s.Get("providers")
	if len(d.Also) == 0 {
		return
	}
	if d.Verify.Mode != "authoritative" && d.Verify.Mode != "both" {
		v.Fail(fmt.Sprintf("are several, and verify.mode %s does not ask the servers of each", d.Verify.Mode),
			"use verify.mode authoritative, or one provider")
	}
	for _, name := range d.Accounts() {
		news := slices.Contains(b.known.providers, name) && !slices.Contains(b.unseen, name) // one error, not one a domain
		if news && own.nameservers == nil && len(b.providerVerify[name].nameservers) == 0 {
			b.unseen = append(b.unseen, name)
			v.Fail(fmt.Sprintf("are several, and it is not said which servers show the records of %s", name),
				fmt.Sprintf("write providers.%s.verify.nameservers: [...], so that a record counts when all accounts show it", name))
		}
	}
}
