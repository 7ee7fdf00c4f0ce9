package exim

import (
	"cmp"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// ExistingKey is what a lookup file lets a domain be signed with, whoever wrote it.
type ExistingKey struct{ Domain, Selector, Path string }

// ReadExisting returns what the lookup file at a path gives to each domain with one selector, in order.
func ReadExisting(path string) (out []ExistingKey, err error) {
	data, err := keyfiles.ReadTable(path)
	if err != nil {
		return nil, fault.Lasting("read the lookup file "+path, err, "run as a user that may read it")
	}
	for key, value := range entries(data) {
		domain, err := dkim.ParseDomain(key)
		u, several := use(value)
		if err == nil && several == nil && u.selector != "" {
			out = append(out, ExistingKey{domain, u.selector, u.file})
		}
	}
	slices.SortFunc(out, func(a, b ExistingKey) int { return cmp.Compare(a.Domain, b.Domain) })
	return out, nil
}

// Transport returns the lines by which a transport of Exim signs with what a lookup file gives to the domain.
func Transport(table string) []string {
	value := func(name string) string {
		return "${extract{" + name + "}{${lookup{$dkim_domain}lsearch{" + table + "}}}}"
	}
	return []string{
		"dkim_domain = ${lc:${domain:$h_from:}}",
		"dkim_selector = " + value("selector"),
		"dkim_private_key = " + value("privkey"),
		"dkim_strict = true",
	}
}
