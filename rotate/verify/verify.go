package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Mode says who is asked.
type Mode string

// The modes.
const (
	Authoritative Mode = "authoritative" // every name server of the zone; the default
	Resolvers     Mode = "resolvers"     // every resolver, for networks that block port 53 outwards
	Both          Mode = "both"          // every name server, and when they agree on a record, every resolver
	None          Mode = "none"          // no server about records: a Sight is Unchecked
)

// Config says whom to ask, and how. The zero Config asks the name servers of
// the zone, which it finds through the system's resolvers.
type Config struct {
	Mode        Mode
	Nameservers []string // host or host:port; asked instead of the zone's own name servers
	Resolvers   []string // address or address:port; the system's (/etc/resolv.conf) when empty
	Zone        string   // the zone that must hold the names; found by SOA when empty
	Port        int      // where name servers listen that have no port of their own; 53 when 0

	Timeout  time.Duration    // for one exchange over UDP, and again for one over TCP; 2 s when 0
	Remember time.Duration    // how long zones and server addresses are kept; 5 minutes when 0
	Parallel int              // exchanges under way at the same time; 256 when 0
	Now      func() time.Time // the clock of what is kept; time.Now when nil
}

// Verifier looks selectors' names up. It is safe for concurrent use, and
// one Verifier should serve many domains: it remembers zones and their servers
// for a short time, though never what stands at a name.
type Verifier struct {
	mode      Mode
	zone      string   // configured zone, absolute; "" when unknown
	fixed     []target // configured name servers
	resolvers []server
	noResolv  error // why there are no resolvers
	client    *client
	memory    *memory
	port      uint16
}

// New returns a Verifier. It asks no server yet. A Config that can't work is a
// Permanent fault.
func New(cfg Config) (*Verifier, error) {
	v := &Verifier{mode: cfg.Mode, port: 53, client: newClient(cfg), memory: newMemory(cfg)}
	if v.mode == "" {
		v.mode = Authoritative
	}
	if cfg.Port != 0 {
		v.port = uint16(cfg.Port)
	}
	if int(v.port) != cfg.Port && cfg.Port != 0 {
		return nil, badConfig(fmt.Errorf("port %d is out of range", cfg.Port), "use a port from 1 to 65535")
	}
	switch v.mode {
	case Authoritative, Resolvers, Both, None:
	default:
		return nil, badConfig(fmt.Errorf("mode %q is unknown", cfg.Mode), "use authoritative, resolvers, both or none")
	}
	if cfg.Zone != "" {
		zone, err := dkim.ParseDomain(cfg.Zone)
		if err != nil {
			return nil, badConfig(fmt.Errorf("zone: %w", err), "give the name of the zone, such as example.com")
		}
		v.zone = dns.Fqdn(zone)
	}
	for _, s := range cfg.Nameservers {
		t, err := parseTarget(s, v.port)
		if err != nil {
			return nil, badConfig(fmt.Errorf("name server %w", err),
				"write a host name or an address, with :port where it is not 53")
		}
		v.fixed = append(v.fixed, t)
	}
	return v, v.setResolvers(cfg.Resolvers)
}

// setResolvers reads the list, or the system's. That the system has none only
// matters if they will surely be needed.
func (v *Verifier) setResolvers(list []string) error {
	if len(list) == 0 {
		list, v.noResolv = systemResolvers("/etc/resolv.conf")
	}
	needed := v.mode == Resolvers || v.mode == Both || v.mode == Authoritative && len(v.fixed) == 0
	if v.noResolv != nil && needed {
		return badConfig(v.noResolv, "name the resolvers in verify.resolvers, or the zone's servers in verify.nameservers")
	}
	for _, s := range list {
		t, err := parseTarget(s, 53)
		if err == nil && !t.addr.IsValid() {
			err = fmt.Errorf("%q is not an address", s)
		}
		if err != nil {
			return badConfig(fmt.Errorf("resolver %w", err), "write an address, with :port where it is not 53")
		}
		v.resolvers = append(v.resolvers, server{name: "resolver", addrs: []netip.AddrPort{t.addr}})
	}
	return nil
}

func badConfig(err error, hint string) error {
	return fault.Lasting("set up the verification of records in DNS", err, hint)
}

// InZone returns a Verifier that expects all names in the given zone, as
// Config.Zone does, and shares everything else with v, what it remembers too.
func (v *Verifier) InZone(zone string) (*Verifier, error) {
	name, err := dkim.ParseDomain(zone)
	if err != nil {
		return nil, badConfig(fmt.Errorf("zone: %w", err), "give the name of the zone, such as example.com")
	}
	w := *v
	w.zone = dns.Fqdn(name)
	return &w, nil
}

// Look returns what DNS shows at name. Errors are faults: Transient when no
// server gave an answer; Refused with code "child-zone" when the name lies below
// a cut of the zone that was configured; Permanent for a zone that does not
// exist or CNAMEs that go in circles; where every server leads there, the Sight is
// Complete and has no values. It returns soon after ctx is done, then with
// ctx's error in the chain.
func (v *Verifier) Look(ctx context.Context, name dkim.Name) (Sight, error) {
	if err := name.Check(); err != nil {
		return Sight{}, fault.Lasting("look up "+name.String(), err, "correct the domain or selector in the configuration")
	}
	if v.zone != "" && !dns.IsSubDomain(v.zone, dns.Fqdn(name.String())) {
		return Sight{}, &fault.Error{Kind: fault.Permanent, Code: codes.WrongZone, What: "look up " + name.String(),
			Err:  fmt.Errorf("%s does not lie in the configured zone %s", name.Domain, bare(v.zone)),
			Hint: "correct the domain's zone, or leave it out to have it found"}
	}
	s, err := v.look(ctx, name)
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*fault.Error)) {
		// while another look-up of the same was waited for
		err = fault.Temporary("look up "+name.String(), err,
			"see whether the name servers can be reached from here; it is looked up again by itself")
	}
	return s, err
}

// Asks says who is asked, for people; "" where it is all authoritative servers and no others.
func (v *Verifier) Asks() string {
	switch v.mode {
	case Resolvers:
		return "every resolver that is asked"
	case Both:
		return "every authoritative server and every resolver that is asked"
	}
	return ""
}

func (v *Verifier) look(ctx context.Context, name dkim.Name) (Sight, error) {
	switch v.mode {
	case None:
		return v.unasked(ctx, name)
	case Resolvers:
		return v.lookResolvers(ctx, name)
	case Both:
		s, err := v.lookServers(ctx, name)
		if err != nil || !s.Complete && !s.Silent || len(s.Values) == 0 {
			return s, err // a resolver would only remember that nothing is there
		}
		return v.confirm(ctx, name, s)
	}
	return v.lookServers(ctx, name)
}

// unasked returns what mode None shows at name. It looks up nothing but the zone, and that only
// where the configuration names none: no record can be published without one.
func (v *Verifier) unasked(ctx context.Context, name dkim.Name) (Sight, error) {
	s := Sight{Zone: bare(v.zone), Owner: name.String(), Complete: true, Unchecked: true}
	if v.zone != "" {
		return s, nil
	}
	p, err := v.placeOf(ctx, dns.Fqdn(name.Domain), dns.Fqdn(name.String()), zone{})
	if err != nil {
		return Sight{}, &fault.Error{Kind: fault.KindOf(err), Code: fault.CodeOf(err),
			What: "find the zone to publish " + name.String() + " in", Err: err,
			Hint: "write the domain's zone into the configuration: with verify.mode none, nothing is looked up then"}
	}
	s.Zone = bare(p.name)
	return s, nil
}

// target is a server as the configuration names it.
type target struct {
	host string         // as written, for people
	addr netip.AddrPort // invalid when host is a name that is yet to be resolved
	port uint16
}

func parseTarget(s string, port uint16) (target, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return target{s, netip.AddrPortFrom(a.Unmap(), port), port}, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return target{ap.Addr().String(), netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), ap.Port()}, nil
	}
	if host, p, err := net.SplitHostPort(s); err == nil {
		n, err := net.LookupPort("udp", p)
		if err != nil || n == 0 {
			return target{}, fmt.Errorf("%q has no port that can be used", s)
		}
		s, port = host, uint16(n)
	}
	host, err := dkim.ParseDomain(s)
	return target{host: host, port: port}, err
}

// systemResolvers reads the resolvers from a file in the form of resolv.conf(5).
func systemResolvers(path string) ([]string, error) {
	c, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("no resolvers: %w", err)
	}
	if len(c.Servers) == 0 {
		return nil, errors.New("no resolvers: " + path + " names none")
	}
	return c.Servers, nil
}
