package planfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Farthest is how far ahead a plan may be made for.
const Farthest = 100 * 366 * 24 * time.Hour

// Between these a plan can have been made, if no clock was altogether wrong: dkimbot is not older, and
// spans of time are reported rightly.
var (
	earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)
)

// The forms of what is no free text.
var (
	idForm     = regexp.MustCompile(`^[a-z2-7]{26}$`)
	digestForm = regexp.MustCompile(`^[A-Za-z0-9:-]{0,80}$`)
	codeForm   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)
	factForm   = regexp.MustCompile(`^[a-z_]{1,20}$`)
	signerForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
)

var (
	kinds = []rotate.Kind{rotate.Generate, rotate.StoreKey, rotate.Publish, rotate.Verify, rotate.Activate, rotate.Drain,
		rotate.Revoke, rotate.Destroy, rotate.Adopt}
)

// checker holds a document to what New makes, whoever wrote its checksum and signature.
// It keeps the first thing that is wrong.
type checker struct {
	where string
	err   error
}

func (doc Document) check() error {
	c := &checker{}
	c.that(idForm.MatchString(doc.PlanID), "plan_id is not of the form that dkimbot gives it")
	c.that(digestForm.MatchString(doc.ConfigSHA256) && digestForm.MatchString(doc.Lineage),
		"config_sha256 or lineage is not of the form that dkimbot gives it")
	c.that(doc.Lineage != "" || doc.Signature == "", "it is signed, and there was no state to sign it")
	c.times(doc)
	c.texts(doc.Warnings...)
	names, steps := map[string]bool{}, 0
	for i, d := range doc.Domains {
		c.where = fmt.Sprintf("domains[%d]: ", i)
		c.that(!names[d.Name], "the domain is there twice")
		names[d.Name], steps = true, steps+len(d.Steps)
		c.domain(d, doc.Lineage == "" && d.Phase == string(rotate.New))
	}
	c.where = ""
	c.that(doc.Summary == Summary{len(doc.Domains), steps}, "its summary does not count what it holds")
	return c.err
}

func (c *checker) that(ok bool, wrong string) {
	if !ok && c.err == nil {
		c.err = errors.New(c.where + wrong)
	}
}

// times holds the plan's times to those that can be asked for.
func (c *checker) times(doc Document) {
	from := doc.CreatedAt
	if doc.PlannedFor.After(from) {
		from = doc.PlannedFor
	}
	c.that(!doc.CreatedAt.Before(earliest) && doc.CreatedAt.Before(latest),
		"created_at is not a time at which a dkimbot could make it")
	c.that(!doc.PlannedFor.After(doc.CreatedAt.Add(Farthest)), "planned_for is further ahead than a plan can be made for")
	c.that(!doc.ExpiresAt.After(from.Add(MaxLife)),
		fmt.Sprintf("expires_at is later than a plan may live (%s)", calendar.Span(MaxLife)))
	c.that(!doc.ExpiresAt.Before(from), "it expires before it begins")
}

func (c *checker) texts(all ...string) {
	for _, s := range all {
		c.that(len(s) <= mostText, "a text is longer than dkimbot writes one")
		c.that(!strings.ContainsFunc(s, func(r rune) bool { return !seeable(r) }),
			"a text holds a line break, or characters that can't be seen")
	}
}

func (c *checker) reason(r rotate.Reason) {
	c.that(r.Code == "" || codeForm.MatchString(string(r.Code)),
		"a reason's code is not of the form that dkimbot gives it")
	c.texts(r.Message)
}

func (c *checker) selector(s string) {
	name, err := dkim.ParseSelector(s)
	c.that(s == "" || err == nil && name == s, "a selector is not one")
}

func (c *checker) signer(s string) {
	c.that(s == "" || signerForm.MatchString(s), "a signer's name is not one")
}

// domain checks the plan for one domain; stateless says that no state knew anything of it.
func (c *checker) domain(d Domain, stateless bool) {
	name, err := dkim.ParseDomain(d.Name)
	c.that(err == nil && name == d.Name, "its name is not a domain name")
	// a state of a newer version may know another phase: its domain is refused, and stands beside those that are planned
	c.that(codeForm.MatchString(d.Phase), "its phase is not of the form that dkimbot gives it")
	c.reason(d.Reason)
	c.selector(d.ReplaceStandby)
	c.texts(d.ChangeSelectors)
	c.texts(d.Warnings...)
	if p := d.Problem; p != nil {
		known := slices.Contains([]string{fault.Transient.String(), fault.Permanent.String(), fault.Refused.String()}, p.Kind)
		c.that(known && (p.Code == "" || codeForm.MatchString(string(p.Code))), "the kind or code of its problem is unknown")
		c.texts(p.Message, p.Hint)
	}
	if n := d.Next; n != nil {
		c.that(codeForm.MatchString(string(n.Action)), "what comes next is unknown")
		c.selector(n.Selector)
		c.reason(n.Reason)
	}
	for _, f := range d.Drift {
		c.that((f.Code == "" || codeForm.MatchString(string(f.Code))) &&
			(f.Cause == "" || codeForm.MatchString(string(f.Cause))),
			"the code of its drift is not of the form that dkimbot gives it")
		c.selector(f.Selector)
		c.signer(f.Signer)
		c.texts(f.Message, f.Repair)
	}
	things := slices.Clone(d.About.Problem)
	for _, w := range d.About.Warnings {
		c.that(w.Code == "" || codeForm.MatchString(string(w.Code)), "the code of a warning is not of the form that dkimbot gives it")
		things = append(things, w.Thing)
	}
	for _, t := range things {
		c.that(t.Kind == "" || codeForm.MatchString(string(t.Kind)), "what its problem or a warning is about is unknown")
		c.selector(t.Selector)
		c.signer(t.Signer)
	}
	for i, s := range d.Steps {
		where := c.where
		c.where = fmt.Sprintf("%ssteps[%d]: ", where, i)
		c.step(s)
		c.after(s, stateless)
		c.where = where
	}
	c.preconditions(d.Preconditions)
}

func (c *checker) step(s Step) {
	c.that(slices.Contains(kinds, s.Kind), "its kind is unknown")
	c.selector(s.Selector)
	c.signer(s.Signer)
	c.that(s.Selector != "" && (s.Signer != "") == (s.Kind == rotate.Activate), "it does not say where it acts")
	c.texts(s.Target)
	c.reason(s.Reason)
	for _, facts := range []map[string]string{s.Before, s.After} {
		for name, v := range facts {
			c.that(factForm.MatchString(name), "it holds a fact of an unknown name")
			c.texts(v)
		}
	}
}

func (c *checker) preconditions(p Preconditions) {
	digests := append(slices.Collect(maps.Values(p.Records)), p.ConfigSHA256, p.State)
	for _, k := range p.Keys {
		digests = append(digests, k.KeyID)
		c.that(k.Version >= 0, "a key's version is not one")
	}
	for name, s := range p.Signers {
		c.signer(cmp.Or(name, "?"))
		c.that(formed(s), "what a signer signs with is not of the form that dkimbot gives it")
	}
	for _, d := range digests {
		c.that(digestForm.MatchString(d), "a digest is not of the form that dkimbot gives it")
	}
	for s := range p.Records {
		c.selector(s)
	}
	for s := range p.Keys {
		c.selector(s)
	}
	c.that(p.Revision >= 0, "its revision is not one")
}
