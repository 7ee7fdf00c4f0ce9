package zonefile

import (
	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/miekg/dns"
)

// ednsSize is the size of UDP answers that pass everywhere unfragmented.
const ednsSize = 1232

type handler struct{ zones *zoneCache }

// ServeDNS answers one query.
func (h *handler) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	r := h.reply(q)
	size := dns.MaxMsgSize
	if w.LocalAddr().Network() == "udp" {
		size = dns.MinMsgSize
	}
	if opt := q.IsEdns0(); opt != nil {
		if opt.Version() != 0 { // RFC 6891 section 6.1.3
			r = new(dns.Msg).SetRcode(q, dns.RcodeBadVers)
		}
		r.SetEdns0(ednsSize, false)
		if size == dns.MinMsgSize {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), ednsSize)
		}
	}
	fit(r, size)
	w.WriteMsg(r)
}

func (h *handler) reply(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	if q.Opcode != dns.OpcodeQuery {
		return r.SetRcode(q, dns.RcodeNotImplemented)
	}
	if len(q.Question) != 1 {
		return r.SetRcode(q, dns.RcodeFormatError)
	}
	question := q.Question[0]
	if rcode := answerable(question); rcode != dns.RcodeSuccess {
		return r.SetRcode(q, rcode)
	}
	h.answer(r, question)
	return r
}

// answerable returns how BIND refuses questions that no zone answers.
func answerable(q dns.Question) int {
	switch kind := q.Qtype; {
	case kind == dns.TypeAXFR || kind == dns.TypeIXFR:
		return dns.RcodeRefused
	case kind == dns.TypeMAILA || kind == dns.TypeMAILB:
		return dns.RcodeNotImplemented
	case kind == dns.TypeOPT || kind >= 128 && kind < dns.TypeANY: // RFC 6895 section 3.1
		return dns.RcodeFormatError
	}
	if q.Qclass != dns.ClassINET {
		return dns.RcodeRefused
	}
	return dns.RcodeSuccess
}

// maxChain is how many aliases are followed for one answer, as in BIND.
const maxChain = 11

// answer follows aliases within the zone of the question (RFC 1034 section 4.3.2):
// BIND leaves the way through other zones to the resolver.
func (h *handler) answer(r *dns.Msg, q dns.Question) {
	asked := q.Name // as spelt by the client, for records made from wildcards
	var first *zone
	for i := 0; asked != ""; i++ {
		z, err := h.zoneFor(master.Canonical(asked), q.Qtype)
		switch {
		case err != nil:
			r.Answer, r.Ns, r.Extra, r.Authoritative = nil, nil, nil, false
			r.Rcode = dns.RcodeServerFailure
			return
		case z == nil && i == 0:
			r.Rcode = dns.RcodeRefused
			return
		case i == 0:
			first = z
		case z == nil || z.origin != first.origin:
			return
		case i > maxChain:
			r.Rcode = dns.RcodeServerFailure
			return
		}
		asked = z.answer(r, asked, q.Qtype)
	}
}

// zoneFor returns the zone that answers for a name. DS records stand in the
// zone above (RFC 4035 section 3.1.4.1).
func (h *handler) zoneFor(name string, kind uint16) (*zone, error) {
	z, err := h.zones.find(name)
	if kind == dns.TypeDS && z != nil && z.origin == name {
		if above, err := h.zones.find(parent(name)); above != nil && err == nil {
			return above, nil
		}
	}
	return z, err
}

// fit makes a message no larger than size, as BIND does: what is only helpful
// is left out; only a message without what was asked for, or without the way there,
// is marked as truncated.
func fit(r *dns.Msg, size int) {
	r.Compress = true
	opt := r.IsEdns0()
	glue := r.Extra
	if opt != nil {
		glue = glue[:len(glue)-1]
	}
	fits := func(answer, ns, extra int) bool {
		m := *r
		m.Answer, m.Ns = r.Answer[:answer], r.Ns[:ns]
		m.Extra = append([]dns.RR{}, glue[:extra]...)
		if opt != nil {
			m.Extra = append(m.Extra, opt)
		}
		if m.Len() > size {
			return false
		}
		*r = m
		return true
	}
	for extra := len(glue); extra >= 0; extra-- {
		if fits(len(r.Answer), len(r.Ns), extra) {
			return
		}
	}
	r.Truncated = true
	for ns := len(r.Ns); ns >= 0; ns-- {
		if fits(len(r.Answer), ns, 0) {
			return
		}
	}
	for answer := len(r.Answer) - 1; answer >= 0; answer-- {
		if fits(answer, 0, 0) {
			return
		}
	}
}
