package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// server is a name server and the addresses at which it is asked.
type server struct {
	name  string // "" when it is known by its address only
	addrs []netip.AddrPort
	err   error // why it has no address
}

// reply is what came from one server at one address.
type reply struct {
	server string
	addr   netip.AddrPort
	msg    *dns.Msg
	err    error // why there is no msg
}

// String names the server and the address.
func (r reply) String() string {
	if !r.addr.IsValid() {
		return r.server
	}
	at := r.addr.Addr().String()
	if r.addr.Port() != 53 {
		at = r.addr.String()
	}
	if r.server == "" {
		return at
	}
	return r.server + " (" + at + ")"
}

// ask puts a question to every server at every address, in parallel. It returns
// when all have answered or failed, or earlier with what is there once enough says so.
func (v *Verifier) ask(ctx context.Context, servers []server, q *dns.Msg, enough func(reply) bool) []reply {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []reply
	for _, s := range servers {
		for _, a := range s.addrs {
			all = append(all, reply{server: s.name, addr: a})
		}
		if len(s.addrs) == 0 {
			all = append(all, reply{server: s.name, err: s.err})
		}
	}
	come := make(chan reply, len(all))
	for _, r := range all {
		if r.err != nil {
			come <- r
			continue
		}
		go func() {
			m := q.Copy()
			m.Id = dns.Id()
			r.msg, r.err = v.client.exchange(ctx, r.addr, m)
			come <- r
		}()
	}
	replies := all[:0]
	for range len(all) {
		r := <-come
		replies = append(replies, r)
		if enough != nil && enough(r) {
			break
		}
	}
	return replies
}

// recurse asks the resolvers in turn and returns the first real answer:
// something is there, or surely nothing is.
func (v *Verifier) recurse(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	if len(v.resolvers) == 0 {
		return nil, v.noResolv
	}
	var errs []string
	heard := false
	for _, s := range v.resolvers {
		for _, r := range v.ask(ctx, []server{s}, question(name, qtype, true), nil) {
			if r.err == nil && (r.msg.Rcode == dns.RcodeSuccess || r.msg.Rcode == dns.RcodeNameError) {
				return r.msg, nil
			}
			errs = append(errs, r.String()+": "+r.trouble())
			heard = heard || r.err == nil || !unreachable(r.err)
			if again := v.unchecked(ctx, r, name, qtype); again.msg != nil { // and what it says is not validated
				return nil, fmt.Errorf("%s, unless checking of signatures is switched off (CD)%s: %w", errs[len(errs)-1],
					extended(r.msg), errChain)
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if !heard {
		return nil, silent(strings.Join(errs, "; "))
	}
	return nil, errors.New(strings.Join(errs, "; "))
}

// silent is the error of recurse when nothing came from any resolver.
type silent string

func (s silent) Error() string { return string(s) }

// errChain says that a resolver rejects what it gets.
var errChain = errors.New("the chain of signatures (DNSSEC) that leads there is broken")

// resolverHint leads out of a failure of recurse.
func resolverHint(err error) string {
	if errors.Is(err, errChain) {
		return "compare the zone's keys with the DS record at the parent, and have the zone signed again; " +
			"delv and dnsviz show where the chain breaks"
	}
	return "check verify.resolvers, or name the zone's servers in verify.nameservers"
}

// unchecked asks a resolver that answered SERVFAIL once more, without the check of signatures (CD, RFC 4035
// section 3.2.2). If it answers then, it is the check that failed, and it gives that answer to no client.
// Otherwise the reply has no message.
func (v *Verifier) unchecked(ctx context.Context, r reply, name string, qtype uint16) reply {
	none := reply{server: r.server, addr: r.addr}
	if r.err != nil || r.msg.Rcode != dns.RcodeServerFailure {
		return none
	}
	q := question(name, qtype, true)
	q.CheckingDisabled = true
	again := v.ask(ctx, []server{{name: r.server, addrs: []netip.AddrPort{r.addr}}}, q, nil)[0]
	if again.trouble() != "" {
		return none
	}
	return again
}

// extended returns what a resolver says of its reason (RFC 8914), or "".
func extended(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return ""
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok && dns.ExtendedErrorCodeToString[e.InfoCode] != "" {
			return " (" + dns.ExtendedErrorCodeToString[e.InfoCode] + ")"
		}
	}
	return ""
}

// trouble says why a reply is of no use, or "".
func (r reply) trouble() string {
	switch {
	case r.err != nil:
		return sayError(r.err)
	case r.msg.Rcode == dns.RcodeSuccess, r.msg.Rcode == dns.RcodeNameError:
		return ""
	}
	if s, ok := dns.RcodeToString[r.msg.Rcode]; ok {
		return "answers " + s
	}
	return "answers with code " + strconv.Itoa(r.msg.Rcode)
}
