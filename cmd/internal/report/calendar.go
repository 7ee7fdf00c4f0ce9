package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/forecast"
)

// CalendarDocument is `plan --for --json`: what is to come, if nothing gets in between.
type CalendarDocument struct {
	FormatVersion int              `json:"format_version"`
	From          time.Time        `json:"from"`
	Until         time.Time        `json:"until"`
	Entries       []CalendarEntry  `json:"entries"` // by time, then by domain
	Domains       []CalendarDomain `json:"domains"`
	Summary       CalendarSummary  `json:"summary"`
}

// CalendarEntry is what is done at one selector of a domain at one time.
type CalendarEntry struct {
	At       time.Time      `json:"at"` // not before
	Domain   string         `json:"domain"`
	Phase    string         `json:"phase"`  // before it
	Action   codes.Action   `json:"action"` // "activate", "replace", "publish", "repair", "revoke", "verify", "destroy"
	Selector string         `json:"selector"`
	Signers  []string       `json:"signers"` // that switch
	Message  string         `json:"message"` // for people
	Steps    []CalendarStep `json:"steps"`
}

// CalendarStep is one step of an entry.
type CalendarStep struct {
	Kind   rotate.Kind   `json:"kind"`
	Signer string        `json:"signer,omitempty"`
	Reason rotate.Reason `json:"reason"`
}

// CalendarDomain says how far a domain's calendar reaches.
type CalendarDomain struct {
	Name    string    `json:"name"`
	Phase   string    `json:"phase"` // now
	Until   time.Time `json:"until"`
	Problem *Problem  `json:"problem"` // why it reaches no further
}

// CalendarSummary counts what the calendar holds.
type CalendarSummary struct {
	Domains int `json:"domains"`
	Entries int `json:"entries"`
	Stopped int `json:"stopped"`
}

// NewCalendar makes the document of outlooks.
func NewCalendar(from, until time.Time, outlooks []forecast.Outlook) CalendarDocument {
	doc := CalendarDocument{FormatVersion: FormatVersion, From: from.UTC(), Until: until.UTC(), Entries: []CalendarEntry{},
		Domains: []CalendarDomain{}}
	for _, o := range outlooks {
		doc.Domains = append(doc.Domains, CalendarDomain{o.Name, string(o.Phase), o.Until.UTC(), NewProblem(o.Stop)})
		if o.Stop != nil {
			doc.Summary.Stopped++
		}
		doc.Entries = append(doc.Entries, entries(o)...)
	}
	slices.SortStableFunc(doc.Entries, func(a, b CalendarEntry) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Domain, b.Domain))
	})
	doc.Summary.Domains, doc.Summary.Entries = len(doc.Domains), len(doc.Entries)
	return doc
}

// entries joins the steps that are taken at one time at one selector.
func entries(o forecast.Outlook) (out []CalendarEntry) {
	for i := 0; i < len(o.Coming); {
		j := i + 1
		for j < len(o.Coming) && o.Coming[j].At.Equal(o.Coming[i].At) &&
			o.Coming[j].Step.Selector == o.Coming[i].Step.Selector {
			j++
		}
		out = append(out, newEntry(o.Name, o.Coming[i:j]))
		i = j
	}
	return out
}

func newEntry(domain string, coming []forecast.Coming) CalendarEntry {
	e := CalendarEntry{At: coming[0].At.UTC(), Domain: domain, Phase: string(coming[0].Phase),
		Selector: coming[0].Step.Selector, Signers: []string{}}
	from, kinds := "", map[rotate.Kind]bool{}
	for _, c := range coming {
		s := c.Step
		kinds[s.Kind] = true
		if s.Kind == rotate.Activate {
			e.Signers, from = append(e.Signers, s.Signer), s.From.Selector
		}
		e.Steps = append(e.Steps, CalendarStep{s.Kind, s.Signer, s.Reason})
	}
	e.Action, e.Message = entryWords(e, from, kinds)
	return e
}

// because reports whether a step of the kind has a reason of the code.
func (e CalendarEntry) because(kind rotate.Kind, code codes.Code) bool {
	return slices.ContainsFunc(e.Steps, func(s CalendarStep) bool { return s.Kind == kind && s.Reason.Code == code })
}

// entryWords names what an entry does, for programs and for people.
func entryWords(e CalendarEntry, from string, kinds map[rotate.Kind]bool) (action codes.Action, words string) {
	s := e.Selector
	switch {
	case kinds[rotate.Activate]:
		instead := ""
		if from != "" && from != s {
			instead = fmt.Sprintf(" instead of %s, which stays in DNS for mail in flight", from)
		}
		return codes.ActionActivate, fmt.Sprintf("%s: mail is signed with %s%s", strings.Join(e.Signers, ", "), s, instead)
	case kinds[rotate.Revoke] && e.because(rotate.Revoke, codes.Purge):
		return codes.ActionRevoke, fmt.Sprintf("the key of %s, which was released and which no mail needs any more, "+
			"is revoked", s)
	case kinds[rotate.Revoke]:
		return codes.ActionRevoke, fmt.Sprintf("the compromised key of %s is revoked: "+
			"mail that was signed with it fails to verify from then on", s)
	case kinds[rotate.Publish] && kinds[rotate.Destroy]:
		return codes.ActionReplace, fmt.Sprintf("%s gets a fresh key, which no mail is signed with yet; "+
			"the old one is destroyed", s)
	case kinds[rotate.StoreKey] && e.Phase != string(rotate.New) && e.Phase != string(rotate.Bootstrapping):
		return codes.ActionPublish, fmt.Sprintf("%s gets a fresh key, which no mail is signed with yet", s)
	case kinds[rotate.StoreKey]:
		return codes.ActionPublish, fmt.Sprintf("%s gets its first key, published and seen in DNS", s)
	case kinds[rotate.Publish] && e.because(rotate.Publish, codes.Vanished):
		return codes.ActionRepair, fmt.Sprintf("the key record of %s, which is missing from DNS, is published again", s)
	case kinds[rotate.Publish]:
		return codes.ActionPublish, fmt.Sprintf("the record of the stored key of %s is published", s)
	case kinds[rotate.Destroy] && e.because(rotate.Destroy, codes.Compromised):
		return codes.ActionDestroy, fmt.Sprintf("the compromised key of %s is destroyed", s)
	case kinds[rotate.Destroy] && e.because(rotate.Destroy, codes.Replaced):
		return codes.ActionDestroy, fmt.Sprintf("the replaced key of %s is destroyed", s)
	case kinds[rotate.Destroy]:
		return codes.ActionDestroy, fmt.Sprintf("the key of %s is destroyed", s)
	}
	return codes.ActionVerify, fmt.Sprintf("the key record of %s is looked up again", s)
}
