package providers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// updater publishes by dynamic update (RFC 2136). The module sends the update;
// everything that it can't see is asked of the server beside it:
//
//   - It has fixed time-outs of two seconds, and a server may be slower. So the
//     server is asked first whether the record stands already, as it does after such an attempt.
//   - BIND and Knot ignore a TXT record beside a CNAME and report success.
//   - The module's errors don't tell an unknown zone from a wrong key.
type updater struct {
	server string
	module *rfc2136.Provider
	ask    asker
}

func openRFC2136(_ context.Context, cfg Config) (adapter, error) {
	server, err := serverAddress(cfg.RFC2136.Server)
	if err != nil {
		return nil, err
	}
	// Servers answer with the key's name in lower case, and the module then
	// fails to find the secret although the update was made.
	key := tsigKey{
		name:      dns.CanonicalName(cfg.RFC2136.KeyName),
		algorithm: dns.Fqdn(keyAlgorithm(cfg.RFC2136)),
		secret:    string(cfg.RFC2136.Key),
	}
	return &updater{
		server: server,
		module: &rfc2136.Provider{Server: server, KeyName: key.name, KeyAlg: key.algorithm, Key: key.secret},
		ask:    asker{server: server, key: key},
	}, nil
}

func (u *updater) cost(string) int { return 1 }

func (u *updater) set(ctx context.Context, rec dkim.TXT) error {
	answer, err := u.ask.query(ctx, rec.Owner, dns.TypeTXT)
	var bad *tsigError
	switch {
	case errors.As(err, &bad):
		return permanent(err, bad.hint())
	case err != nil:
		// A server may take updates and no queries; the update will tell.
	case alias(answer, rec.Owner) != "":
		return refused("cname", fmt.Errorf("a CNAME to %s stands there, and a TXT record beside it would never be served", alias(answer, rec.Owner)),
			"remove the CNAME, or let dkimbot publish at its target; nothing was changed")
	case stands(answer, rec):
		return nil
	}
	_, err = u.module.SetRecords(ctx, rec.Zone+".", []libdns.Record{libdnsTXT(rec)})
	if err == nil {
		return nil
	}
	return u.explain(ctx, rec, err)
}

// explain finds out why an update failed.
func (u *updater) explain(ctx context.Context, rec dkim.TXT, err error) error {
	var netError net.Error
	if errors.As(err, &netError) || errors.Is(err, os.ErrDeadlineExceeded) {
		return transient(err, fmt.Sprintf("check that the name server at %s runs and can be reached over TCP", u.server))
	}
	answer, askErr := u.ask.query(ctx, rec.Zone, dns.TypeSOA)
	var bad *tsigError
	switch {
	case errors.As(askErr, &bad):
		return permanent(fmt.Errorf("%w: %w", err, askErr), bad.hint())
	case strings.Contains(err.Error(), `"SERVFAIL"`), askErr == nil && answer.Rcode == dns.RcodeServerFailure:
		return transient(err, fmt.Sprintf("see the log of the name server at %s; a zone that can't be written, or a journal that does not fit, reads so", u.server))
	case askErr == nil && !authoritative(answer, rec.Zone):
		return permanent(fmt.Errorf("%w: the server at %s is not authoritative for zone %s", err, u.server, rec.Zone),
			fmt.Sprintf("let the provider's server be the primary of %s, or give the domain the right provider or zone", rec.Zone))
	case strings.Contains(err.Error(), `"REFUSED"`), strings.Contains(err.Error(), `"NOTAUTH"`), errors.Is(err, dns.ErrAuth):
		return permanent(fmt.Errorf("%w: the server knows the key and the zone, and does not allow this update", err),
			fmt.Sprintf("allow it, for BIND: update-policy { grant %s wildcard *._domainkey.%s TXT; };", u.ask.key.name, rec.Zone))
	}
	return transient(err, "")
}

// alias returns where a CNAME at owner leads, or "".
func alias(m *dns.Msg, owner string) string {
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == owner+"." {
			return strings.TrimSuffix(c.Target, ".")
		}
	}
	return ""
}

// stands reports whether the server shows rec and nothing else.
func stands(m *dns.Msg, rec dkim.TXT) bool {
	if !m.Authoritative || m.Truncated || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || m.Answer[0].Header().Class != dns.ClassINET {
		return false
	}
	t, ok := m.Answer[0].(*dns.TXT)
	return ok && dns.CanonicalName(t.Hdr.Name) == rec.Owner+"." &&
		int64(t.Hdr.Ttl) == int64(rec.TTL.Seconds()) && joined(t) == rec.Value
}

// joined returns the value as octets; the library keeps strings escaped.
func joined(t *dns.TXT) string {
	return unquoteTXT(`"` + strings.Join(t.Txt, "") + `"`)
}

func authoritative(m *dns.Msg, zone string) bool {
	return m.Authoritative && slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		_, ok := rr.(*dns.SOA)
		return ok && dns.CanonicalName(rr.Header().Name) == zone+"."
	})
}
