package verify

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Nothing stands at a name for which a wildcard answers (RFC 4592): a record that is
// published there takes the wildcard's place. What the servers show at the name reads the
// same, so they are asked about names that surely do not exist: a random one beside it, which a
// wildcard answers alike, and a random one below it. Where a record stands at the name
// itself, no wildcard reaches below it (RFC 4592 section 3.3.1), so that also a record that
// equals the wildcard's is distinguished from it. Such questions leave no trace in any resolver that matters.

// discount makes answers that a wildcard gave ones that show nothing. ask puts a question
// about another name to the same servers.
func (v *Verifier) discount(z string, owner string, answers []answer, ask func(name string) []answer) {
	if !slices.ContainsFunc(answers, answer.positive) {
		return
	}
	beside := z + " " + parent(owner)
	if plain, _ := v.memory.plain.peek(beside); plain {
		return
	}
	besideAnswers := ask(label() + parent(owner))
	if !slices.ContainsFunc(besideAnswers, func(a answer) bool { return a.shows != nothing }) {
		v.memory.plain.keep(beside, true) // only what means that the servers are not asked so often
		return
	}
	alike := byServer(besideAnswers)
	if !slices.ContainsFunc(answers, func(a answer) bool { return a.positive() && alike.show(a) }) {
		return
	}
	below := alike
	if name := label() + owner; len(name) <= maxLength {
		below = byServer(ask(name))
	}
	for i, a := range answers {
		switch {
		case !a.positive() || !alike.show(a):
		case below.show(a):
			answers[i] = answer{reply: a.reply, shows: nothing, ttl: a.ttl, zone: a.zone, wildcard: a.content()}
		case below.silent(a):
			answers[i].fail("did not show whether a wildcard answers there")
		}
	}
}

// maxLength is the longest name in DNS, with its final dot.
const maxLength = 254

// label returns a random label that no record has, with its dot.
func label() string { return "dkimbot-" + strings.ToLower(rand.Text()) + "." }

func (a answer) positive() bool { return a.shows == records || a.shows == alias }

// conclusive reports whether the answer says what stands at the name: that a wildcard's answer
// is taken for nothing is no word of the server's.
func (a answer) conclusive() bool { return a.positive() || a.shows == nothing && len(a.wildcard) == 0 }

// content says what a positive answer shows: its values, or where its CNAME leads.
func (a answer) content() []string {
	if a.target != "" {
		return []string{WildcardCNAME + bare(a.target)}
	}
	return a.values
}

// WildcardCNAME stands before the target of a wildcard CNAME in Sight.Wildcard.
const WildcardCNAME = "CNAME "

// shownAt is what the servers show at one name.
type shownAt map[at]answer

// at is a server at an address.
type at struct {
	server string
	addr   netip.AddrPort
}

func byServer(answers []answer) shownAt {
	m := shownAt{}
	for _, a := range answers {
		m[at{a.server, a.addr}] = a
	}
	return m
}

// show reports whether a's server shows the same as a, or another one where that
// server gave no answer: a lost packet says nothing.
func (m shownAt) show(a answer) bool {
	own, ok := m[at{a.server, a.addr}]
	if ok && own.shows != failed {
		return own.view() == a.view()
	}
	for _, other := range m {
		if other.positive() && other.view() == a.view() {
			return true
		}
	}
	return false
}

// silent reports whether a's server gave no answer.
func (m shownAt) silent(a answer) bool {
	own, ok := m[at{a.server, a.addr}]
	return !ok || own.shows == failed
}

// discountServers is discount at the servers of a zone.
func (v *Verifier) discountServers(ctx context.Context, z zone, owner string, answers []answer) {
	v.discount(z.name, owner, answers, func(name string) []answer {
		return readAll(v.ask(ctx, z.servers, question(name, dns.TypeTXT, false), nil), z.name, name)
	})
}

// discountResolvers is discount at the resolvers, for a name and the end of its CNAMEs. A
// resolver may continue showing a wildcard's answer after a record was published: what
// equals that is taken for it. No name below is asked for, since that would say otherwise.
func (v *Verifier) discountResolvers(ctx context.Context, name string, answers []answer) {
	beside := func(name string) shownAt { return byServer(v.askResolvers(ctx, label()+parent(name))) }
	if slices.ContainsFunc(answers, func(a answer) bool { return a.shows == records || a.target != "" }) {
		alike := beside(name)
		for i, a := range answers {
			if (a.shows == records || a.target != "") && alike.show(a) {
				answers[i] = answer{reply: a.reply, shows: nothing, ttl: a.ttl, wildcard: a.content()}
			}
		}
	}
	for i, a := range answers {
		if a.target == "" || a.shows != records {
			continue
		}
		end := a
		end.target = ""
		if beside(a.target).show(end) {
			answers[i] = answer{reply: a.reply, shows: nothing, target: a.target, ttl: a.ttl, wildcard: a.values}
		}
	}
}
