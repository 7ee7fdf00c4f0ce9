package providers

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// standing is what the server shows at a record's name.
type standing struct {
	answered bool // the server answered
	texts    []dns.RR
	alias    string // where a CNAME leads, which a wildcard may have made
}

func standingIn(m *dns.Msg, owner string) standing {
	s := standing{answered: m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError, alias: alias(m, owner)}
	for _, rr := range m.Answer {
		if t, ok := rr.(*dns.TXT); ok && dns.CanonicalName(t.Hdr.Name) == owner+"." && t.Hdr.Class == dns.ClassINET {
			s.texts = append(s.texts, t)
		}
	}
	return s
}

// foreign returns the values that rec does not replace.
func (s standing) foreign(rec dkim.TXT) (values []string) {
	for _, rr := range s.texts {
		if v := joined(rr.(*dns.TXT)); !mayReplace(rec, v) {
			values = append(values, v)
		}
	}
	return values
}

// besides reports whether rec's value stands there already beside others, which it does not replace.
func (s standing) besides(rec dkim.TXT) bool {
	others := s.foreign(rec)
	return rec.Beside && len(others) > 0 && len(s.own(rec)) == 0 && len(s.texts) > len(others)
}

// own returns the records that rec replaces, other than with its own value.
func (s standing) own(rec dkim.TXT) (records []dns.RR) {
	for _, rr := range s.texts {
		if v := joined(rr.(*dns.TXT)); v != rec.Value && mayReplace(rec, v) {
			records = append(records, rr)
		}
	}
	return records
}

// updates returns the messages of which the server is to carry out the first that it grants.
func (s standing) updates(rec dkim.TXT) (all []*dns.Msg) {
	if rec.Beside && s.answered && len(s.foreign(rec)) > 0 && len(s.own(rec)) > 0 {
		all = append(all, s.updateBeside(rec))
	}
	for _, expected := range s.expectations(rec) {
		all = append(all, update(rec, expected))
	}
	return all
}

// updateBeside builds the message that puts rec's value in the place of dkimbot's own alone, on the condition that
// exactly what was read stands there. The others keep their time to live, which all records of a name share.
func (s standing) updateBeside(rec dkim.TXT) *dns.Msg {
	m := new(dns.Msg).SetUpdate(rec.Zone + ".")
	for _, rr := range s.texts {
		m.Used([]dns.RR{dns.Copy(rr)})
	}
	for _, rr := range s.own(rec) {
		m.Remove([]dns.RR{dns.Copy(rr)})
	}
	value := textRecord(rec, rec.Value)
	value.Header().Ttl = s.texts[0].Header().Ttl
	m.Insert([]dns.RR{value})
	return m
}

func mayReplace(rec dkim.TXT, value string) bool {
	return rec.Replaces == nil || value == rec.Value || rec.Replaces(value)
}

// expectations returns the sets of TXT records of which one must stand at the name when the
// update is carried out; an empty set says that none may stand there. What a wildcard shows
// is no record of the name (RFC 4592): to the server's prerequisites nothing stands there.
// So what reads as somebody else's record makes the update ask for nothing there, which the
// server grants only where that is so.
func (s standing) expectations(rec dkim.TXT) [][]dns.RR {
	switch {
	case s.answered && len(s.texts) > 0 && len(s.foreign(rec)) == 0:
		return [][]dns.RR{s.texts, nil}
	case s.answered:
		return [][]dns.RR{nil}
	}
	sets := [][]dns.RR{nil} // a server that takes updates and no queries: what a look showed there
	var all []dns.RR
	for _, v := range append(slices.Clone(rec.Seen), rec.Value) {
		rr := textRecord(rec, v)
		sets = append(sets, []dns.RR{rr})
		if all = append(all, rr); len(all) == len(rec.Seen) && len(all) > 1 {
			sets = append(sets, slices.Clone(all))
		}
	}
	return sets
}

// update builds the message that makes rec the only TXT record at its name, on the
// condition that no CNAME stands there, beside which servers ignore it and report
// success, and that exactly expected stands there (RFC 2136 section 2.4).
func update(rec dkim.TXT, expected []dns.RR) *dns.Msg {
	m := new(dns.Msg).SetUpdate(rec.Zone + ".")
	name := dns.RR_Header{Name: rec.Owner + ".", Class: dns.ClassINET}
	name.Rrtype = dns.TypeCNAME
	m.RRsetNotUsed([]dns.RR{&dns.ANY{Hdr: name}})
	name.Rrtype = dns.TypeTXT
	switch {
	case rec.Replaces == nil:
	case len(expected) == 0:
		m.RRsetNotUsed([]dns.RR{&dns.ANY{Hdr: name}})
	default:
		for _, rr := range expected {
			m.Used([]dns.RR{dns.Copy(rr)})
		}
	}
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: name}})
	m.Insert([]dns.RR{textRecord(rec, rec.Value)})
	return m
}

// textRecord is a value at rec's name, cut into strings, as the library keeps it: escaped.
func textRecord(rec dkim.TXT, value string) dns.RR {
	t := &dns.TXT{Hdr: dns.RR_Header{Name: rec.Owner + ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET,
		Ttl: uint32(rec.TTL.Seconds())}}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, s := range dkim.Strings(value) {
		t.Txt = append(t.Txt, escape.Replace(s))
	}
	return t
}
