package verify

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Sight is what DNS shows at a selector's name. Names are absolute, in lower
// case and without a final dot.
type Sight struct {
	// Zone is the zone that holds Owner: the deepest one, below every zone cut.
	Zone string
	// Owner is the name after following CNAMEs.
	Owner string
	// Values are the TXT records seen, each with its strings joined, sorted.
	// A record that several servers show stands once. Two records of one server
	// stand twice even when they differ only in where their strings are cut:
	// verifiers would find two (RFC 6376 section 3.6.2.2).
	Values []string
	// Wildcard is what a wildcard shows at Owner, where nothing stands (RFC 4592): values, or
	// "CNAME " and a name. Resolvers may keep it for TTL.
	Wildcard []string
	// Complete reports that every server, at every address, shows exactly Values.
	// An address that can't be reached because its address family has no route
	// from here does not count, provided that its server answers at another.
	Complete bool
	// Silent reports that the Sight is not Complete only because some did not answer: all
	// that did show exactly Values.
	Silent bool
	// Lagging names the servers and addresses that show something else than most,
	// or do not answer, and says what they do. It can name an address that did not
	// count although the Sight is Complete.
	Lagging []string
	// Shown is what each server and address that answers shows, by the name that Lagging gives it, where the Sight is
	// not Complete.
	Shown map[string][]string
	// Bogus names the servers whose answers validating resolvers reject, and says why: the zone is
	// signed, and the chain of signatures is broken. A Sight with one is not Complete, and Lagging has them too.
	Bogus []string
	// Chain says why the chain of signatures above a signed zone could not be checked: the parent,
	// which holds the zone's DS record, was not heard. "" when it was, or the zone is not signed.
	Chain string
	// TTL is the largest TTL seen, of TXT records or of CNAMEs on the way; 0 when
	// nothing is there. A resolver says only what is left of it.
	TTL time.Duration
	// Negative is how long resolvers may continue believing that nothing is there:
	// min(SOA TTL, SOA minimum), RFC 2308 section 5; the largest on the way.
	Negative time.Duration
	// DNAME is the name of a DNAME record on the way, "" for none: it leads all names below it elsewhere.
	DNAME string
	// Unchecked reports that no server was asked (mode None).
	Unchecked bool
}

// sighting gathers a Sight on the way along CNAMEs.
type sighting struct {
	Sight
	dissent  bool // some server showed something else than most, or did not answer
	contrary bool // some server did answer, and showed something else than most
}

// add takes up what the servers answered at one name and returns what most of them show.
func (s *sighting) add(answers []answer) (answer, bool) {
	most, lagging, ok := agree(answers)
	s.Lagging = append(s.Lagging, lagging...)
	s.dissent, s.contrary = s.dissent || !ok, s.contrary || contrary(answers)
	var here []string
	for _, a := range answers {
		s.showed(a, most)
		s.TTL = max(s.TTL, a.ttl)
		s.Negative = max(s.Negative, a.negative)
		here = union(here, a.values)
		s.DNAME = cmp.Or(s.DNAME, a.dname)
		if a.bogus != "" {
			s.reject(a)
		}
		s.Wildcard = union(s.Wildcard, slices.Sorted(slices.Values(a.wildcard)))
	}
	s.Values = union(s.Values, here)
	return most, most.shows != failed
}

// showed notes what a server shows. One that shows no alias where most show one lacks what they lead to.
func (s *sighting) showed(a, most answer) {
	_, known := s.Shown[a.String()]
	if known || a.shows == failed || a.shows == cut || a.shows == alias && most.shows == alias && a.target == most.target {
		return
	}
	if s.Shown == nil {
		s.Shown = map[string][]string{}
	}
	s.Shown[a.String()] = a.values
}

// reject takes up an answer that validating resolvers reject.
func (s *sighting) reject(a answer) {
	s.dissent, s.contrary = true, true
	s.Bogus = append(s.Bogus, a.rejection())
	s.Lagging = append(s.Lagging, a.rejection())
}

// done returns the Sight in its final order.
func (s *sighting) done() Sight {
	s.Complete, s.Silent = !s.dissent, s.dissent && !s.contrary
	slices.Sort(s.Lagging)
	s.Lagging = slices.Compact(s.Lagging)
	slices.Sort(s.Bogus)
	if s.Complete {
		s.Shown = nil
	}
	return s.Sight
}

// astray returns what is known where a name leads nowhere by CNAMEs, for good: where every server says so, nothing is
// shown, and the Sight is Complete. Else it is empty.
func (s *sighting) astray(err error) (Sight, error) {
	if s.Zone == "" || s.dissent || len(s.Values) > 0 || fault.KindOf(err) == fault.Transient {
		return Sight{}, err
	}
	return Sight{Complete: true, TTL: s.TTL, Negative: s.Negative}, err
}

// union joins two sorted lists: an entry stands as often as in the list that has it more often.
func union(a, b []string) []string {
	var out []string
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
