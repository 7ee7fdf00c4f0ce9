package verify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// shown is the kind of thing that a server shows at a name.
type shown int

const (
	failed  shown = iota // no answer, or one that means nothing
	nothing              // NXDOMAIN or NODATA: the difference does not matter
	records              // TXT records
	alias                // a CNAME
	cut                  // a referral: the name lies in a child zone
)

// answer is what one server at one address shows at a name.
type answer struct {
	reply
	shows    shown
	says     string        // for people, when failed or cut
	values   []string      // the joined strings of each TXT record, sorted
	target   string        // where the alias leads
	zone     string        // the zone that holds the name, if it is reported
	ttl      time.Duration // the largest of the records shown
	negative time.Duration // RFC 2308 section 5, if the SOA is reported
	bogus    string        // why validating resolvers reject what is shown; "" when they don't
	wildcard []string      // what a wildcard shows there, where nothing stands
	dname    string        // the DNAME above the name that leads it elsewhere
}

// read makes sense of a reply about name from a server of the zone; zone is ""
// when it is not known yet.
func read(r reply, zone, name string) answer {
	a := answer{reply: r}
	if r.err == nil {
		a.collect(name)
	}
	// The code speaks of the last name of a chain of CNAMEs (RFC 6604 section 3);
	// BIND answers SERVFAIL when they go in circles.
	if says := r.trouble(); says != "" && a.target == "" {
		a.fail(says)
		return a
	}
	switch child := referral(r.msg, zone, name); {
	case child != "":
		a.shows, a.zone, a.says = cut, child, "refers to the child zone "+bare(child)
	case !r.msg.Authoritative:
		a.fail("is not authoritative for " + bare(cmp.Or(zone, name)))
	case a.target != "" && len(a.values) > 0:
		a.fail(besideCNAME)
	case a.zone != "" && !dns.IsSubDomain(cmp.Or(zone, "."), a.zone):
		a.fail("answers from the zone " + bare(a.zone) + ", above " + bare(zone))
	case a.target != "":
		a.shows = alias
	case len(a.values) > 0:
		a.shows = records
	default:
		a.shows = nothing
	}
	return a
}

const besideCNAME = "shows a CNAME beside TXT records, which RFC 2181 section 10.1 forbids"

// fail makes the answer one that means nothing.
func (a *answer) fail(says string) {
	*a = answer{reply: a.reply, says: says}
}

// collect takes what the message holds about name, in the class of the internet.
func (a *answer) collect(name string) {
	var seen []string
	for _, rr := range a.msg.Answer {
		if d, ok := rr.(*dns.DNAME); ok && dns.IsSubDomain(d.Hdr.Name, name) {
			a.dname = bare(dns.CanonicalName(d.Hdr.Name)) // the CNAME beside it was made from it (RFC 6672 section 3.1)
		}
		if dns.CanonicalName(rr.Header().Name) != name || rr.Header().Class != dns.ClassINET {
			continue
		}
		switch rr := rr.(type) {
		case *dns.TXT:
			// The same record twice is one record (RFC 2181 section 5).
			if data := strings.Join(rr.Txt, "\" \""); !slices.Contains(seen, data) {
				seen = append(seen, data)
				a.values = append(a.values, dkim.Unescape(strings.Join(rr.Txt, "")))
			}
			a.ttl = max(a.ttl, seconds(rr.Hdr.Ttl))
		case *dns.CNAME:
			a.target = dns.CanonicalName(rr.Target)
			a.ttl = max(a.ttl, seconds(rr.Hdr.Ttl))
		case *dns.SOA:
			a.takeSOA(rr)
		case *dns.NS:
			a.zone = name // of an authoritative answer: name is an apex
		}
	}
	slices.Sort(a.values)
	for _, rr := range a.msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok && soa.Hdr.Class == dns.ClassINET && a.target == "" &&
			dns.IsSubDomain(soa.Hdr.Name, name) {
			a.takeSOA(soa)
		}
	}
}

func (a *answer) takeSOA(soa *dns.SOA) {
	a.zone = dns.CanonicalName(soa.Hdr.Name)
	a.negative = seconds(min(soa.Hdr.Ttl, soa.Minttl))
}

// referral returns the child zone to which a message refers: no answer, no SOA,
// but name servers for something between the zone and the name (RFC 1034 section 4.3.2, 3b).
func referral(m *dns.Msg, zone, name string) string {
	if len(m.Answer) > 0 || m.Rcode != dns.RcodeSuccess {
		return ""
	}
	child := ""
	for _, rr := range m.Ns {
		switch rr.(type) {
		case *dns.SOA:
			return ""
		case *dns.NS:
			child = dns.CanonicalName(rr.Header().Name)
		}
	}
	zone = cmp.Or(zone, ".")
	if child == "" || child == zone || !dns.IsSubDomain(zone, child) || !dns.IsSubDomain(child, name) {
		return "" // upwards or sideways: a server that does not serve the zone
	}
	return child
}

// mostCached is the longest that resolvers keep an answer, whatever TTL it has (RFC 8767 section 4). Without it, the
// wait after one wrong number in a zone would last for years.
const mostCached = 7 * 24 * time.Hour

func seconds(ttl uint32) time.Duration { return min(time.Duration(ttl)*time.Second, mostCached) }

// bare is how names are shown to people: without the final dot, but for the root.
func bare(name string) string {
	if name == "." {
		return "."
	}
	return strings.TrimSuffix(name, ".")
}

// parent is the name without its first label.
func parent(name string) string {
	if i, end := dns.NextLabel(name, 0); !end {
		return name[i:]
	}
	return "."
}
