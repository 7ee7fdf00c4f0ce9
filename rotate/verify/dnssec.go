package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Where a zone is signed, receivers behind validating resolvers get no record whose chain of
// signatures is broken: to them the key is not there. So a record counts as seen only when its
// signature holds on every server (RFC 4035 section 5.3): by a key of the zone, which the
// zone's own set of keys shows and signs, and to which the parent's DS record leads. Whether the
// chain holds above that, a validating resolver says (mode both).

// signing is how a zone is signed.
type signing struct {
	keys   []*dns.DNSKEY // that may sign the zone's records; none when the zone is not signed
	loose  bool          // the parent has no DS record: signatures are not required
	broken string        // why nothing in the zone can be valid; "" when it can
	chain  string        // why it was not checked that the parent's DS record leads to keys; "" when it was
}

// secured reports whether validating resolvers demand signatures.
func (s signing) secured() bool { return len(s.keys) > 0 || s.broken != "" }

// validate says of each answer why a validating resolver would reject it. signed reports
// whether anything in the zone was seen to be signed. It returns why the chain of signatures
// above the zone was not checked, "" when it was or is not required.
func (v *Verifier) validate(ctx context.Context, z zone, owner string, signed bool,
	answers []answer) (chain string, err error) {
	if !slices.ContainsFunc(answers, answer.conclusive) {
		return "", nil
	}
	signed = signed || slices.ContainsFunc(answers, answer.signed)
	for _, again := range []bool{false, true} {
		s, err := v.memory.signings.get(ctx, z.name, func(ctx context.Context) (signing, error) {
			return v.signing(ctx, z, signed)
		})
		if err != nil {
			return "", err
		}
		if s.secured() || s.loose || !signed || again {
			bad := false
			for i, a := range answers {
				if a.conclusive() && s.secured() {
					answers[i].bogus = s.reject(a, z.name, owner, v.memory.now())
					bad = bad || answers[i].bogus != ""
				}
			}
			if !bad || again {
				return s.chain, nil
			}
		}
		v.memory.signings.drop(z.name) // its keys may have changed since they were asked for
	}
	return "", nil
}

// signing asks for the parent's word, and the zone's servers for its keys.
func (v *Verifier) signing(ctx context.Context, z zone, signed bool) (signing, error) {
	p := v.askParent(ctx, z.name)
	if err := ctx.Err(); err != nil {
		return signing{}, err
	}
	if p.heard && len(p.ds) == 0 && len(v.fixed) == 0 {
		return signing{loose: true}, nil
	}
	var s signing
	if len(p.ds) > 0 || signed {
		s = v.keys(ctx, z, p.ds)
	}
	if p.public && s.broken != "" && len(s.keys) == 0 && v.otherView(ctx, z.name, p.ds) {
		if s = (signing{}); signed {
			s = v.keys(ctx, z, nil)
		}
		s.chain = "the servers in verify.nameservers do not show the keys that resolvers show, " +
			"and to which the parent's DS record leads"
	} else if s.secured() {
		s.chain = p.silence
	}
	return s, ctx.Err()
}

// keys asks the zone's servers for its keys; ds is what must lead to them.
func (v *Verifier) keys(ctx context.Context, z zone, ds []*dns.DS) (s signing) {
	for _, r := range v.ask(ctx, z.servers, signedQuestion(z.name, dns.TypeDNSKEY), nil) {
		if r.err != nil || !r.msg.Authoritative {
			continue // that it is silent is reported by its answer about the record
		}
		keys, err := trusted(r.msg, z.name, ds, v.memory.now())
		if err != nil {
			s.broken = r.String() + ": " + err.Error()
			continue
		}
		s.keys = append(s.keys, keys...)
	}
	if len(ds) > 0 && len(s.keys) == 0 && s.broken == "" {
		s.broken = "no name server of " + bare(z.name) + " shows its keys (DNSKEY), though the parent has a DS record"
	}
	return s
}

// trusted returns the zone's keys as one server shows them, when one of them to which ds leads
// has signed them all; without ds any key will do. No keys and no error: there are none.
func trusted(m *dns.Msg, zone string, ds []*dns.DS, now time.Time) ([]*dns.DNSKEY, error) {
	set, sigs := rrset(m.Answer, zone, dns.TypeDNSKEY)
	var keys, entries []*dns.DNSKEY
	for _, rr := range set {
		k := rr.(*dns.DNSKEY)
		if k.Flags&dns.ZONE == 0 || k.Flags&dns.REVOKE != 0 || k.Protocol != 3 || !checkable(k.Algorithm) {
			continue
		}
		keys = append(keys, k)
		if len(ds) == 0 || slices.ContainsFunc(ds, func(d *dns.DS) bool { return leadsTo(d, k) }) {
			entries = append(entries, k)
		}
	}
	switch {
	case len(set) == 0 || len(keys) == 0 && len(ds) == 0:
		return nil, nil
	case len(entries) == 0:
		return nil, errors.New("shows no key (DNSKEY) to which the parent's DS record leads")
	}
	if why := unproved(set, sigs, entries, now); why != "" {
		return nil, errors.New("the zone's keys (DNSKEY): " + why)
	}
	return keys, nil
}

func leadsTo(d *dns.DS, k *dns.DNSKEY) bool {
	if d.KeyTag != k.KeyTag() || d.Algorithm != k.Algorithm {
		return false
	}
	made := k.ToDS(d.DigestType)
	return made != nil && strings.EqualFold(made.Digest, d.Digest)
}

// checkable reports whether signatures of the algorithm can be verified here.
func checkable(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256,
		dns.ECDSAP384SHA384, dns.ED25519:
		return true
	}
	return false
}

// known reports whether resolvers know the digest of a DS record.
func known(digest uint8) bool {
	return digest == dns.SHA1 || digest == dns.SHA256 || digest == dns.SHA384
}

// reject says why a validating resolver rejects what the answer shows, "" when it does not.
func (s signing) reject(a answer, zone, owner string, now time.Time) string {
	switch {
	case len(s.keys) == 0:
		return s.broken
	case a.shows == nothing:
		return s.undenied(a.msg, zone, owner, now)
	}
	kind := dns.TypeTXT
	if a.target != "" {
		kind = dns.TypeCNAME
	}
	set, sigs := rrset(a.msg.Answer, owner, kind)
	return unproved(set, sigs, s.keys, now)
}

// rrset returns the records of a name and type in a section, and their signatures.
func rrset(section []dns.RR, owner string, kind uint16) (set []dns.RR, sigs []*dns.RRSIG) {
	for _, rr := range section {
		if dns.CanonicalName(rr.Header().Name) != owner || rr.Header().Class != dns.ClassINET {
			continue
		}
		if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == kind {
			sigs = append(sigs, sig)
		} else if rr.Header().Rrtype == kind {
			set = append(set, rr)
		}
	}
	return set, sigs
}

// unproved says why none of the signatures proves the set, "" when one does.
func unproved(set []dns.RR, sigs []*dns.RRSIG, keys []*dns.DNSKEY, now time.Time) string {
	why := "is not signed, though the zone is"
	for _, sig := range sigs {
		end, begin := stamp(sig.Expiration, now), stamp(sig.Inception, now)
		i := slices.IndexFunc(keys, func(k *dns.DNSKEY) bool {
			return k.KeyTag() == sig.KeyTag && k.Algorithm == sig.Algorithm && sig.Verify(k, set) == nil
		})
		switch {
		case i < 0:
			why = "its signature does not verify with any of the zone's keys"
		case now.After(end):
			why = "its signature expired at " + end.Format(time.RFC3339)
		case now.Before(begin):
			why = "its signature counts only from " + begin.Format(time.RFC3339) + " on"
		default:
			return ""
		}
	}
	return why
}

// stamp is a time of a signature, which counts in 32 bits: the one that is nearest to now (RFC 4034 section 3.1.5).
func stamp(t uint32, now time.Time) time.Time {
	return now.Add(time.Duration(int32(t-uint32(now.Unix()))) * time.Second).Truncate(time.Second).UTC()
}

// signed reports whether the message carries any signature.
func (r reply) signed() bool {
	return r.msg != nil && slices.ContainsFunc(slices.Concat(r.msg.Answer, r.msg.Ns),
		func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG })
}

// rejection is how an answer that a validating resolver rejects is reported.
func (a answer) rejection() string {
	return fmt.Sprintf("%s: %s, which validating resolvers reject: %s", a, a.describe(), a.bogus)
}
