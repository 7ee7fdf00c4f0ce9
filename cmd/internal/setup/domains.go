package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// minRSABits is the shortest RSA key that dkimbot takes over; Ed25519 keys have one size.
const (
	minRSABits  = 2048
	ed25519Bits = 256
)

// domains writes the policies and, as comments, the domains that are signed today.
func (w *writer) domains(signers []found.Signer) {
	used := selectorsOf(signers, func(found.Domain) bool { return true })
	free := freeSelectors(used)
	w.line("policies:")
	w.line("  default:")
	w.line("    schedule: 0 4 1 * *         # cron: a rotation each month")
	w.line("    selectors: [%s, %s]         # names that no domain uses yet", free[0], free[1])
	for _, s := range selectorsOf(signers, keepable) {
		w.line("  # keep-%s: { selectors: [%s, %s] }", s, w.flow(s), free[0])
	}
	w.line("")
	if len(used) > 0 {
		w.line("# These domains are signed today. Take the # from a domain's line to let dkimbot rotate its keys, and then")
		w.line("# - move it over (usual): 'dkimbot plan --domain D', then 'dkimbot rotate --domain D --wait'. It gets keys")
		w.line("#   of its own; the old selector and its record stay yours.")
		w.line("# - or keep its selector and key: take the # from its keep- policy too, add policy: to the line, and run the")
		w.line("#   command below the line, first with --dry-run.")
	}
	w.line("domains:")
	for _, all := range byName(signers) {
		w.domain(all)
	}
	if len(used) == 0 {
		w.line("  # - { name: example.com, provider: dns, signers: [mx1] }")
	}
}

// signed is a domain and what signs for it.
type signed struct {
	found.Domain
	by found.Signer
}

// byName returns the domains in their order, each with all that sign for it: it can be listed once.
func byName(signers []found.Signer) (out [][]signed) {
	at := map[string]int{}
	for _, s := range signers {
		for _, d := range s.Domains {
			i, known := at[d.Name]
			if !known {
				i = len(out)
				at[d.Name], out = i, append(out, nil)
			}
			out[i] = append(out[i], signed{d, s})
		}
	}
	return out
}

// domain writes one domain. It can keep its selector where all that sign for it have the same.
func (w *writer) domain(all []signed) {
	var names []string
	keeps := true
	for _, d := range all {
		name := d.by.Name
		if len(d.by.Keys) == 0 {
			name = "NAME"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		keeps = keeps && keepable(d.Domain) && d.Selector == all[0].Selector
	}
	w.line("  # - { name: %s, provider: dns, signers: [%s] }", all[0].Name, strings.Join(names, ", "))
	for _, d := range all {
		by := ""
		if len(all) > 1 {
			by = " by " + d.by.Name
		}
		w.line("  #   signed%s with %s, %s%s", by, d.Selector, d.Key, size(d.Bits))
	}
	if d := all[0]; keeps {
		w.line("  #   to keep it: policy: keep-%s; dkimbot adopt --domain %s %s", d.Selector, d.Name,
			strings.Join(words(d.Adopt), " "))
	}
}

// keepable reports whether dkimbot can take over the key, as far as it could be read.
func keepable(d found.Domain) bool {
	return d.Bits == 0 || d.Bits == ed25519Bits || d.Bits >= minRSABits
}

func size(bits int) string {
	switch {
	case bits == 0:
		return ""
	case bits == ed25519Bits:
		return ", Ed25519"
	case bits < minRSABits:
		return fmt.Sprintf(", only %d bits: it has to be moved over", bits)
	}
	return fmt.Sprintf(", %d bits", bits)
}

// selectorsOf returns the selectors of such domains, each once.
func selectorsOf(signers []found.Signer, such func(found.Domain) bool) (out []string) {
	for _, s := range signers {
		for _, d := range s.Domains {
			if such(d) {
				out = append(out, d.Selector)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// freeSelectors returns two selectors that are not in use.
func freeSelectors(used []string) [2]string {
	taken := func(s string) bool {
		return slices.ContainsFunc(used, func(u string) bool { return strings.EqualFold(u, s) })
	}
	for n := 1; ; n += 2 {
		if pair := [2]string{fmt.Sprint("s", n), fmt.Sprint("s", n+1)}; !taken(pair[0]) && !taken(pair[1]) {
			return pair
		}
	}
}

// words returns the words of a command as a shell takes them.
func words(all []string) (out []string) {
	for _, w := range all {
		out = append(out, found.Word(w))
	}
	return out
}
