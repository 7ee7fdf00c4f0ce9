// Package meaning says in words what carrying a plan out means for the domain's mail. It knows plans and
// nothing of how they are shown: text, Markdown and the status page show the same sentences.
package meaning

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// ForMail says what carrying a plan out means for the domain's mail, for someone who
// has never seen dkimbot. now is when the plan is read.
func ForMail(p rotate.DomainPlan, now time.Time) string {
	m := mail{p, now}
	var words []string
	switch {
	case len(p.Steps) > 0:
		words = append(words, m.signing())
	case p.Stop != nil:
		words = append(words, m.unchanged("Nothing is done"))
	default:
		words = append(words, m.unchanged("Nothing changes"))
	}
	for _, s := range p.Steps {
		words = append(words, m.records(s))
	}
	words = append(words, m.spoilt()...)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

type mail struct {
	p   rotate.DomainPlan
	now time.Time
}

func (m mail) unchanged(lead string) string {
	switch now := m.today(m.signers()); now {
	case "":
		return lead + "; mail continues as it does today."
	case unsigned:
		return lead + "; mail continues unsigned, at least not signed by anything that dkimbot manages."
	default:
		return lead + "; mail continues to be signed with " + now + "."
	}
}

// What stands for the selector of a signer that does not sign, and of one that does not say.
const (
	unsigned = "no key"
	unknown  = "an unknown key"
)

// signers returns the signers that said what they sign with, by name.
func (m mail) signers() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.p.Seen.Signers)),
		func(s string) bool { return m.p.Seen.Signers[s].Err != nil })
}

// today names the selectors that signers use, with the signers where they differ;
// "" when nothing is known.
func (m mail) today(signers []string) string {
	by := map[string][]string{}
	for _, name := range signers {
		s := unknown
		if seen, known := m.p.Seen.Signers[name]; known && seen.Err == nil {
			s = cmp.Or(seen.Ref.Selector, unsigned)
		}
		by[s] = append(by[s], name)
	}
	var words []string
	for _, s := range slices.Sorted(maps.Keys(by)) {
		if len(by) == 1 {
			return s
		}
		words = append(words, fmt.Sprintf("%s (%s)", s, strings.Join(by[s], ", ")))
	}
	return strings.Join(words, " and ")
}

// signing says what mail is signed with, now and then.
func (m mail) signing() string {
	var switched []string
	var to, from string
	at, same := time.Time{}, true
	for _, s := range m.p.Steps {
		if s.Kind == rotate.Activate && !slices.Contains(switched, s.Signer) { // what it signs with first
			switched, to, at = append(switched, s.Signer), s.Selector, s.NotBefore
			from = s.From.Selector
			same = same && s.From.Selector == s.To.Selector && s.From.KeyID == s.To.KeyID
		}
	}
	whose, then := "Mail", "with "+to
	if m.others(switched) {
		whose, then = "Mail through "+strings.Join(switched, ", "), "with "+to+" like all other mail"
	}
	if len(m.p.Seen.Signers) > 0 {
		from = m.today(switched)
	}
	switch {
	case to == "":
		if now := m.today(m.signers()); now != "" && now != unsigned {
			return "Mail continues to be signed with " + now + "."
		}
		return ""
	case from == unknown:
		return fmt.Sprintf("What signs mail today is not known, since %s; %s it is signed with %s.",
			m.silence(switched), m.from(at), to)
	case from == "" || from == unsigned:
		return fmt.Sprintf("%s is not signed for the domain today, at least not by anything that dkimbot manages; "+
			"%s it is signed with %s, %s by then.", whose, m.from(at), to, m.shown(to))
	case from == to && same:
		return fmt.Sprintf("%s continues to be signed with %s, and with the same key.", whose, to)
	case from == to && m.unfit(switched):
		return fmt.Sprintf("%s is signed with %s by an algorithm that does not fit the key, and fails until the signer has "+
			"one that does.", whose, to)
	case from == to:
		return fmt.Sprintf("%s is signed with another key at %s than it should be; "+
			"%s it is signed with the one that DNS shows.", whose, to, m.from(at))
	}
	return fmt.Sprintf("%s continues to be signed with %s until %s, then %s.", whose, from, m.until(at), then)
}

// unfit reports whether all of the signers sign by an algorithm that does not fit their key.
func (m mail) unfit(signers []string) bool {
	return shown.AllUnfit(rotate.Observation{Signers: m.p.Seen.Signers}, signers)
}

// silence says why it is not known what signers sign with.
func (m mail) silence(signers []string) string {
	for _, name := range signers {
		if err := m.p.Seen.Signers[name].Err; fault.KindOf(err) == fault.Refused {
			return "what " + name + " has can't be used as it is"
		}
	}
	return strings.Join(signers, ", ") + " did not answer"
}

// shown says who shows a selector's record.
func (m mail) shown(selector string) string {
	for _, s := range m.p.Steps {
		if asked := s.Asked; s.Selector == selector && s.Kind == rotate.Verify && asked != "" {
			if asked == rotate.Nobody {
				return "whose key record is published, though no server is asked whether it shows,"
			}
			return "whose key record " + asked + " shows"
		}
	}
	return "whose key record every name server shows"
}

// others reports whether there are signers that don't switch.
func (m mail) others(switched []string) bool {
	return len(m.p.Seen.Signers) > len(switched) ||
		slices.ContainsFunc(m.p.Steps, func(s rotate.Step) bool { return m.drifted(s) })
}

// drifted reports whether a step brings a signer back that uses the wrong selector.
func (m mail) drifted(s rotate.Step) bool {
	return s.Kind == rotate.Activate && s.Reason.Code == codes.SignerStrays
}

// records says what a step that changes or keeps a key record means for mail that
// was signed with it.
func (m mail) records(s rotate.Step) string {
	switch {
	case s.Kind == rotate.Drain:
		return fmt.Sprintf("Mail already signed with %s verifies all the while, "+
			"because its key record stays in DNS until %s at least.", s.Selector, screen.Day(s.NotBefore))
	case s.Kind == rotate.Activate && m.foreign(s):
		return fmt.Sprintf("Mail already signed with %s verifies as long as its key record stays in DNS, "+
			"which dkimbot does not touch.", s.From.Selector)
	case m.drifted(s) && m.first(s) && s.From.Selector != "" && s.From.Selector != s.Selector:
		return m.already(s.From)
	case s.Kind == rotate.Publish && s.Reason.Code == codes.Replace:
		return fmt.Sprintf("The key record of %s is replaced, which no mail needs any more: "+
			"nothing has signed with it for longer than its drain.", s.Selector)
	case s.Kind == rotate.Publish && s.Reason.Code == codes.Vanished:
		return fmt.Sprintf("Mail signed with %s fails to verify until its key record, which is missing from DNS, is back; "+
			"and at receivers that have looked for it meanwhile, until their resolvers have forgotten that.", s.Selector)
	case s.Kind == rotate.Revoke && s.Reason.Code == codes.Purge:
		return fmt.Sprintf("No mail needs the record of %s any more when it is revoked.", s.Selector)
	case s.Kind == rotate.Revoke && len(m.stays(s.Selector)) > 0:
		return fmt.Sprintf("Mail signed with %s fails to verify from then on, in flight or new: "+
			"its key is revoked, and %s still signs with it.", s.Selector, strings.Join(m.stays(s.Selector), ", "))
	case s.Kind == rotate.Revoke:
		return fmt.Sprintf("Mail signed with %s that is still in flight fails to verify from then on: "+
			"its key is revoked.", s.Selector)
	}
	return ""
}

// already says what becomes of mail that a signer has signed with what it is to leave.
func (m mail) already(from rotate.Side) string {
	switch m.p.Seen.Fate(from.Selector, from.KeyID) {
	case rotate.Fails:
		return fmt.Sprintf("Mail already signed with %s fails to verify: "+
			"DNS does not show the key that it was signed with.", from.Selector)
	case rotate.Disowned:
		return fmt.Sprintf("Mail already signed with %s fails to verify: its key was revoked.", from.Selector)
	}
	return fmt.Sprintf("Mail already signed with %s verifies, because its key record is in DNS as well.", from.Selector)
}

// stays returns the signers that sign with a selector and continue to: no step switches them.
func (m mail) stays(selector string) []string {
	return slices.DeleteFunc(m.using(selector), func(name string) bool {
		return slices.ContainsFunc(m.p.Steps, func(s rotate.Step) bool {
			return s.Kind == rotate.Activate && s.Signer == name && s.Selector != selector
		})
	})
}

// spoilt says which mail fails now because something else than the signers' record stands in DNS,
// and no step changes that.
func (m mail) spoilt() (out []string) {
	for _, f := range m.p.Drift {
		verb, while := map[codes.Code]string{codes.RecordForeign: "fails", codes.RecordSecond: "may fail"}[f.Code],
			"while a record that is not dkimbot's stands there"
		led := shown.LedTo(m.p.Seen, dkim.Name{Domain: m.p.Name, Selector: f.Selector})
		switch err := m.p.Seen.Selectors[f.Selector].SightErr; {
		case f.Code != codes.RecordUnseen || err == nil || fault.KindOf(err) == fault.Transient:
		case led == "":
			verb, while = "may fail", "while no record is found at that name"
		case m.p.Seen.Fate(f.Selector, "") == rotate.Uncertain:
			verb, while = "may fail", "while that name leads to "+led
		default:
			verb, while = "fails", "while that name leads to "+led
		}
		by := slices.DeleteFunc(m.using(f.Selector), func(name string) bool {
			// with a key that the state does not know
			return m.p.Seen.Fate(f.Selector, m.p.Seen.Signers[name].Ref.KeyID) == rotate.Verifies
		})
		if verb != "" && len(by) > 0 {
			out = append(out, fmt.Sprintf("Mail signed with %s (%s) %s to verify %s.", f.Selector, strings.Join(by, ", "), verb, while))
		}
	}
	return out
}

// using returns the signers that sign with a selector now.
func (m mail) using(selector string) []string {
	return slices.DeleteFunc(m.signers(),
		func(name string) bool { return m.p.Seen.Signers[name].Ref.Selector != selector })
}

// foreign reports whether a signer comes from a selector that is not dkimbot's.
func (m mail) foreign(s rotate.Step) bool {
	before := s.From.Selector
	_, ours := m.p.Seen.Selectors[before]
	return before != "" && !ours && len(m.p.Seen.Selectors) > 0 && m.first(s)
}

// first reports whether a signer is the first of those that come from the same
// selector: what holds for all of them is reported once.
func (m mail) first(s rotate.Step) bool {
	i := slices.IndexFunc(m.p.Steps, func(o rotate.Step) bool {
		return o.Kind == rotate.Activate && o.From.Selector == s.From.Selector
	})
	return m.p.Steps[i].Signer == s.Signer
}

func (m mail) until(at time.Time) string {
	if !at.After(m.now) {
		return "this is carried out"
	}
	return screen.Day(at) + " at the earliest"
}

func (m mail) from(at time.Time) string {
	if !at.After(m.now) {
		return "as soon as this is carried out"
	}
	return "from " + screen.Day(at) + " on, at the earliest,"
}
