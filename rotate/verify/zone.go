package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// zone is a zone and the servers that are asked about it.
type zone struct {
	name    string // absolute; "" when only the servers are known
	servers []server
}

// apex returns the zone that holds a domain, as resolvers see it.
func (v *Verifier) apex(ctx context.Context, domain string) (string, error) {
	return v.memory.apexes.get(ctx, domain, func(ctx context.Context) (string, error) {
		name, _, err := v.soaWalk(ctx, domain)
		return name, err
	})
}

// soaWalk asks resolvers for the SOA of a name and of its parents until one
// names the zone. Most often the first answer does: a negative one names the
// zone in its authority section.
func (v *Verifier) soaWalk(ctx context.Context, start string) (string, *dns.Msg, error) {
	what := "find the zone of " + bare(start)
	for name := start; name != "."; name = parent(name) {
		m, err := v.recurse(ctx, name, dns.TypeSOA)
		if err != nil {
			return "", nil, fault.Temporary(what, err, resolverHint(err))
		}
		if z := soaOwner(m, name); z == "." {
			break
		} else if z != "" {
			return z, m, nil
		}
	}
	return "", nil, &fault.Error{Kind: fault.Permanent, Code: codes.NoZone, What: what,
		Err:  errors.New("no such zone exists in DNS"),
		Hint: "check the spelling, or name the zone's servers in verify.nameservers when the public DNS does not show them"}
}

// soaOwner returns the zone that a resolver's answer about name gives, or "". Behind
// a CNAME the authority section speaks of another zone.
func soaOwner(m *dns.Msg, name string) string {
	for _, rr := range append(slices.Clone(m.Answer), m.Ns...) {
		switch rr.(type) {
		case *dns.CNAME:
			return ""
		case *dns.SOA:
			if owner := dns.CanonicalName(rr.Header().Name); dns.IsSubDomain(owner, name) {
				return owner
			}
		}
	}
	return ""
}

// publicZone returns a zone with the name servers that resolvers know.
func (v *Verifier) publicZone(ctx context.Context, name string) (zone, error) {
	return v.memory.zones.get(ctx, name, func(ctx context.Context) (zone, error) {
		what := "find the name servers of " + bare(name)
		m, err := v.recurse(ctx, name, dns.TypeNS)
		if err != nil {
			return zone{}, fault.Temporary(what, err, resolverHint(err))
		}
		d := delegation{}
		d.take(m, name)
		if len(d) == 0 {
			return zone{}, &fault.Error{Kind: fault.Permanent, Code: codes.NoZone, What: what,
				Err:  errors.New(bare(name) + " has no name servers: it is not a zone"),
				Hint: "correct or leave out the domain's zone, or name the zone's servers in verify.nameservers"}
		}
		servers, err := v.servers(ctx, d)
		return zone{name, servers}, err
	})
}

// child returns a zone that was found below parent: from the referrals to it,
// and from what its own servers say, which may list more.
func (v *Verifier) child(ctx context.Context, parent zone, referrals []answer, name string) (zone, error) {
	d := delegation{}
	for _, a := range referrals {
		if a.shows == cut && a.zone == name {
			d.take(a.msg, name)
		}
	}
	via := parent.servers // without a referral the parent's servers serve the child too
	if len(d) > 0 {
		var err error
		if via, err = v.servers(ctx, d); err != nil {
			return zone{}, err
		}
	}
	for _, r := range v.ask(ctx, via, question(name, dns.TypeNS, false), nil) {
		if r.err == nil && r.msg.Authoritative {
			d.take(r.msg, name)
		}
	}
	if err := ctx.Err(); err != nil {
		return zone{}, fault.Temporary("find the name servers of "+bare(name), err,
			"see whether the name servers can be reached from here; it is looked up again by itself")
	}
	servers, err := v.servers(ctx, d)
	return zone{name, servers}, err
}

// delegation is a zone's name servers, each with the addresses that came along (glue).
type delegation map[string][]netip.Addr

// take adds what a message says about the zone's name servers.
func (d delegation) take(m *dns.Msg, zone string) {
	for _, rr := range append(slices.Clone(m.Answer), m.Ns...) {
		if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == zone {
			host := dns.CanonicalName(ns.Ns)
			d[host] = d[host][:len(d[host]):len(d[host])]
		}
	}
	for _, rr := range m.Extra {
		host := dns.CanonicalName(rr.Header().Name)
		// Only glue from below the zone is that zone's to give.
		if known, ok := d[host]; ok && dns.IsSubDomain(zone, host) {
			if a := address(rr); a.IsValid() && !slices.Contains(known, a) {
				d[host] = append(known, a)
			}
		}
	}
}

// servers finds the addresses of name servers that came without. One that has
// none keeps its place, so that it is reported as lagging.
func (v *Verifier) servers(ctx context.Context, d delegation) ([]server, error) {
	list := make([]server, 0, len(d))
	for host := range d {
		list = append(list, server{name: host})
	}
	slices.SortFunc(list, func(a, b server) int { return strings.Compare(a.name, b.name) })
	g, gctx := errgroup.WithContext(ctx)
	for i := range list {
		g.Go(func() error {
			s := &list[i]
			addrs := d[s.name]
			if len(addrs) == 0 {
				addrs, s.err = v.memory.hosts.get(gctx, s.name,
					func(ctx context.Context) ([]netip.Addr, error) { return v.addresses(ctx, s.name) })
			}
			s.name = bare(s.name)
			for _, a := range addrs {
				s.addrs = append(s.addrs, netip.AddrPortFrom(a, v.port))
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fault.Temporary("find the addresses of name servers", err,
			"see whether the name servers can be reached from here; it is looked up again by itself")
	}
	return list, nil
}

// addresses asks resolvers for a name server's A and AAAA records. It is content with
// one kind when the other can't be had.
func (v *Verifier) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	types := []uint16{dns.TypeA, dns.TypeAAAA}
	found, errs := make([][]netip.Addr, 2), make([]error, 2)
	var g errgroup.Group
	for i, t := range types {
		g.Go(func() error {
			m, err := v.recurse(ctx, host, t)
			if errs[i] = err; err == nil {
				for _, rr := range m.Answer {
					if a := address(rr); a.IsValid() {
						found[i] = append(found[i], a)
					}
				}
			}
			return nil
		})
	}
	g.Wait()
	all := slices.Concat(found...)
	switch {
	case len(all) > 0:
		return all, nil
	case errs[0] != nil:
		return nil, fmt.Errorf("its address can't be found (%w)", errs[0])
	case errs[1] != nil:
		return nil, fmt.Errorf("its address can't be found (%w)", errs[1])
	}
	return nil, errors.New("has no address in DNS")
}

func address(rr dns.RR) netip.Addr {
	var a netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		a, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		a, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return a.Unmap()
}

// configured returns the name servers of the configuration, whose names the system resolves.
func (v *Verifier) configured(ctx context.Context) zone {
	var z zone
	for _, t := range v.fixed {
		if t.addr.IsValid() {
			z.servers = append(z.servers, server{addrs: []netip.AddrPort{t.addr}})
			continue
		}
		addrs, err := v.memory.hosts.get(ctx, "system "+t.host, func(ctx context.Context) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
		})
		if err != nil {
			err = fmt.Errorf("its address can't be found (%w)", err)
		}
		s := server{name: t.host, err: err}
		for _, a := range addrs {
			s.addrs = append(s.addrs, netip.AddrPortFrom(a.Unmap(), t.port))
		}
		z.servers = append(z.servers, s)
	}
	return z
}
