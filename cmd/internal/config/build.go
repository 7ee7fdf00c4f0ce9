package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// builder makes a Config of what the files say.
type builder struct {
	*Config
	*node.Findings
	verify         verifyLayer
	providerVerify map[string]verifyLayer
	drivers        Drivers
	claims         map[string]string // what must be used once -> where it is used
	records        map[string]string // names of key records -> their domain
	places         map[string]joined // where signers look for keys -> whose
	renamed        []renamedSigner
	known          struct{ providers, signers []string } // the names, right or wrong
	unfit          []string                              // policies with a signer that can't use their keys, as was said
	unseen         []string                              // accounts of which it was said that their servers are not known
}

func (b *builder) build(s *node.Section) {
	began := time.Now().UTC().Round(0)
	b.State = readState(s.Sub("state"))
	b.Keystore = readKeystore(s.Sub("keystore"))
	b.Notify = readNotify(s.Sub("notify"), b.State)
	serve := s.Sub("serve")
	serve.Read(&b.Serve, b.claims)
	serve.Done()
	b.verify = readVerify(s.Sub("verify"))
	b.Verify = merged(b.verify)

	b.providerVerify = map[string]verifyLayer{}
	b.Providers = map[string]providers.Config{}
	for name, sub := range inOrder(s.Named("providers", "provider")) {
		b.known.providers = append(b.known.providers, name)
		if p, ok := b.readProvider(name, sub); ok {
			b.Providers[name] = p
		}
	}
	b.Signers = map[string]signer.Config{}
	for name, sub := range inOrder(s.Named("signers", "signer")) {
		b.known.signers = append(b.known.signers, name)
		if d, ok := b.readSigner(name, sub); ok {
			b.Signers[name] = d
		}
	}
	b.checkRenamed()
	b.readLimits(s.Sub("limits"))
	b.policies(s)
	if s.Blank("domains") {
		// as 'dkimbot init' writes it: the domains below it are comments yet
	} else if v, ok := s.Take("domains"); ok {
		b.domains(v)
	}
	b.include(s)
	s.Done()
	for i := range b.Domains {
		b.Domains[i].Configured, b.Domains[i].ReadAt = b.known.providers, began
	}
	if len(b.Domains) == 0 && len(b.Errs) == 0 {
		s.Doc.Warn(s.Line, "domains", "no domain is listed", "nothing will be rotated")
	}
}

// inOrder goes through sections by line, so that the first use of a thing is the upper one.
func inOrder(m map[string]*node.Section) iter.Seq2[string, *node.Section] {
	names := slices.SortedFunc(maps.Keys(m), func(a, c string) int {
		if d := m[a].Line - m[c].Line; d != 0 {
			return d
		}
		return strings.Compare(a, c)
	})
	return func(yield func(string, *node.Section) bool) {
		for _, name := range names {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// policies reads "default" first, since the others take from it what they leave out.
func (b *builder) policies(s *node.Section) {
	sections := s.Named("policies", "policy")
	base := builtinPolicy()
	if sub, ok := sections["default"]; ok {
		base = readPolicy(sub, base)
		checkOpens(sub, b.limitsOf(base))
		delete(sections, "default")
	}
	b.Policies = map[string]Policy{"default": base}
	for name, sub := range inOrder(sections) {
		b.Policies[name] = readPolicy(sub, base)
		checkOpens(sub, b.limitsOf(b.Policies[name]))
	}
}

// domains reads a list of domains.
func (b *builder) domains(v node.Value) {
	items, ok := v.List()
	if !ok {
		return
	}
	b.Domains = slices.Grow(b.Domains, len(items)) // growing on the way copies the domains of a large list many times
	for _, item := range items {
		if s, ok := item.Section(); ok {
			b.domain(s)
		}
	}
}

func (b *builder) domain(s *node.Section) {
	d := Domain{File: s.Doc.Name, Line: s.Line}
	name, named := b.domainName(s)
	d.Name = name
	d.Provider, d.Also = b.domainProviders(s)
	d.Signers = b.domainSigners(s)
	d.Renamed = b.renames()
	d.PolicyName = s.Text("policy", "default")
	policy, ok := b.Policies[d.PolicyName]
	if !ok {
		v := s.Get("policy")
		v.Fail(settings.Unknown("policy", d.PolicyName, slices.Collect(maps.Keys(b.Policies))))
	}
	d.Policy, d.Unsafe, d.Limits = policy.Policy, policy.Unsafe, b.domainLimits(s, policy)
	own := readVerify(s.Sub("verify"))
	d.Verify = merged(b.verify, b.verifyOf(d.Accounts()), own)
	b.checkSeen(s, d, own)
	d.VerifyTimeout = d.Verify.Timeout
	if v, ok := s.Take("zone"); ok {
		d.Zone = zone(v)
	}
	s.Done()
	if !named {
		return
	}
	if ok {
		b.checkRecords(s, d)
		b.checkPlaces(s, d)
		b.checkTTL(s, d)
		b.warnKind(s, d)
	}
	b.index[d.Name] = len(b.Domains)
	b.Domains = append(b.Domains, d)
}

// domainName returns the name in normal form, if it is one and is new.
func (b *builder) domainName(s *node.Section) (string, bool) {
	v, ok := s.Need("name", "write the domain that signs: name: example.com")
	if !ok {
		return "", false
	}
	t, ok := v.Text()
	if !ok {
		return "", false
	}
	name, err := dkim.ParseDomain(t)
	if err != nil {
		v.Fail(err.Error(), "write a domain such as example.com")
		return "", false
	}
	if i, ok := b.index[name]; ok {
		first := b.Domains[i]
		v.Fail(fmt.Sprintf("%s is listed already, at %s:%d", name, first.File, first.Line), "keep one of the two")
		return "", false
	}
	return name, true
}

func (b *builder) domainProvider(s *node.Section) string {
	v, ok := s.Need("provider", "write the name of one of the providers")
	if !ok {
		return ""
	}
	t, ok := v.Text()
	if ok && !slices.Contains(b.known.providers, t) {
		v.Fail(settings.Unknown("provider", t, b.known.providers))
	}
	return t
}

func (b *builder) domainSigners(s *node.Section) []string {
	v, ok := s.Need("signers", "list what signs this domain's mail: signers: [mx1]")
	if !ok {
		return nil
	}
	names, at := v.Texts()
	for i, name := range names {
		if !slices.Contains(b.known.signers, name) {
			at[i].Fail(settings.Unknown("signer", name, b.known.signers))
		}
		if slices.Contains(names[:i], name) {
			at[i].Fail(fmt.Sprintf("signer %s is listed twice", name), "keep one of the two")
		}
	}
	if items, ok := v.List(); ok && len(items) == 0 {
		v.Fail("is an empty list", "list what signs this domain's mail: signers: [mx1]")
	}
	return names
}

func zone(v node.Value) string {
	t, ok := v.Text()
	if !ok {
		return ""
	}
	zone, err := dkim.ParseDomain(t)
	if err != nil {
		v.Fail(err.Error(), "write the zone's name, such as example.com")
	}
	return zone
}

// checkRecords makes sure that both key records have a name that DNS can hold,
// that lies in the zone and that belongs to no other domain (I3).
func (b *builder) checkRecords(s *node.Section, d Domain) {
	for _, selector := range d.Policy.Selectors {
		if selector == "" {
			continue // reported at the policy
		}
		name := dkim.Name{Domain: d.Name, Selector: selector}
		line, path := s.At("name")
		if err := name.Check(); err != nil {
			s.Doc.Fail(line, path, err.Error(), "use a policy with shorter selectors")
			continue
		}
		if other, used := b.records[name.String()]; used && other != d.Name {
			s.Doc.Fail(line, path, fmt.Sprintf("the key record %s would belong to %s too", name, other),
				"use a policy with other selectors")
		}
		b.records[name.String()] = d.Name
		if d.Zone != "" && !strings.HasSuffix("."+name.String(), "."+d.Zone) {
			v := s.Get("zone")
			v.Fail(fmt.Sprintf("zone %s does not hold %s", d.Zone, name),
				"write the zone that the domain lies in, or leave zone out: it is then found by SOA")
			return
		}
	}
}

// checkTTL refuses a TTL that the service does not keep.
func (b *builder) checkTTL(s *node.Section, d Domain) {
	for _, name := range d.Accounts() {
		p, ok := b.Providers[name]
		if !ok || p.Account.Driver().Keeps(d.Policy.TTL) {
			continue
		}
		kind := p.Account.Driver()
		line, path := s.At("policy", "provider", "providers")
		s.Doc.Fail(line, path, fmt.Sprintf("%s takes no TTL of %s, as policy %s has it", kind.Service,
			settings.Brief(d.Policy.TTL), d.PolicyName),
			fmt.Sprintf("write a ttl from %s to %s", settings.Brief(kind.ShortestTTL), settings.Brief(kind.LongestTTL)))
	}
}

// warnKind says, once for each policy and signer, that the signer refuses keys of the kind that the policy asks for:
// they would be made and published, and no switch to them would come about.
func (b *builder) warnKind(s *node.Section, d Domain) {
	for _, name := range d.Signers {
		of, ok := b.Signers[name].Settings.(signer.RSAOnly)
		said := d.PolicyName + "\n" + name
		if !ok || d.Policy.Key != dkim.Ed25519 || slices.Contains(b.unfit, said) {
			continue
		}
		if why, remedy := of.RSAOnly(); why != "" {
			b.unfit = append(b.unfit, said)
			line, path := s.At("signers")
			s.Doc.Warn(line, path, fmt.Sprintf("signer %s can't use the ed25519 keys of policy %s: %s", name, d.PolicyName, why),
				cmp.Or(remedy, "use a policy with RSA keys for its domains"))
		}
	}
}
