package planfile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// sign returns the HMAC-SHA256 of the document as it is written, without signature
// and checksum, by the key that the state keeps.
func (doc Document) sign(key []byte) string {
	doc.Signature, doc.Checksum = "", ""
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("dkimbot plan\n"))
	mac.Write(doc.Encode())
	return "hmac-sha256:" + hex.EncodeToString(mac.Sum(nil))
}

// Genuine says why it could not be verified that the document is as dkimbot wrote it, given the
// key of the state that it belongs to (SameState). Nil when it is. A plan that was made before there
// was a state is not signed; it holds nothing but first keys for domains that are new,
// and what Plain drops of it can't be relied upon.
func (doc Document) Genuine(key []byte) *rotate.Reason {
	switch {
	case doc.Lineage == "":
		return doc.onlyNew()
	case doc.Signature == "":
		return &rotate.Reason{Code: codes.Unsigned, Message: "it is not signed: an older dkimbot made it, or somebody else"}
	case len(key) == 0 || !hmac.Equal([]byte(doc.Signature), []byte(doc.sign(key))):
		return &rotate.Reason{Code: codes.Tampered,
			Message: "it was changed after it was made: its signature is not by the key that the state keeps"}
	}
	return nil
}

// onlyNew says why a document without a lineage is for more than domains of which no
// state knows anything.
func (doc Document) onlyNew() *rotate.Reason {
	for _, d := range doc.Domains {
		if c := d.Preconditions; c.Revision != 0 || c.State != (rotate.State{Domain: d.Name}).Basis() ||
			d.Phase != string(rotate.New) {
			return &rotate.Reason{Code: codes.Unsigned,
				Message: fmt.Sprintf("it is not signed, and it is for %s, of which there was a state when it was made", d.Name)}
		}
	}
	return nil
}

// Plain returns the document without what somebody else could have written into it to
// mislead a reader: of each step it keeps what is done, where and with which key, in
// words made here, and no reason, warning or problem in words of its own.
func (doc Document) Plain() Document {
	out := doc
	out.Warnings, out.Domains = []string{}, make([]Domain, len(doc.Domains))
	for i, d := range doc.Domains {
		out.Domains[i] = d.plain()
	}
	return out
}

func (d Domain) plain() Domain {
	d.Reason, d.Next, d.Drift, d.Warnings, d.About = rotate.Reason{}, nil, []finding.Finding{}, []string{}, About{}
	if d.Problem != nil {
		d.Problem = &report.Problem{Kind: d.Problem.Kind,
			Message: "there was a problem with the domain when the plan was made",
			Hint:    "make the plan again to see it: 'dkimbot plan --domain " + d.Name + "'"}
	}
	steps := make([]Step, len(d.Steps))
	for i, s := range d.Steps {
		steps[i] = Step{Kind: s.Kind, Selector: s.Selector, Signer: s.Signer, Target: d.target(s),
			Before: map[string]string{}, After: s.plainAfter(), NotBefore: s.NotBefore}
	}
	d.Steps = steps
	return d
}

// target says where a step acts, from what it is.
func (d Domain) target(s Step) string {
	switch name := s.Selector + "._domainkey." + d.Name; s.Kind {
	case rotate.Activate:
		return "signer " + s.Signer
	case rotate.StoreKey, rotate.Destroy:
		return "keystore, " + name
	case rotate.Publish, rotate.Verify, rotate.Revoke:
		return name + " TXT"
	default:
		return name
	}
}

// Rewritten returns the domain's part as it would be written now, given what is planned
// for it now, when that is the same steps; else as Plain does.
func (d Domain) Rewritten(p rotate.DomainPlan) Domain {
	now := newDomain(p)
	if len(now.Steps) != len(d.Steps) || (now.Problem == nil) != (d.Problem == nil) {
		return d.plain()
	}
	for i, s := range now.Steps {
		if !s.does(d.Steps[i]) {
			return d.plain()
		}
	}
	now.Asked, now.ReplaceStandby, now.ChangeSelectors = d.Asked, d.ReplaceStandby, d.ChangeSelectors
	now.Preconditions = d.Preconditions
	return now
}

// does reports whether two steps do the same.
func (s Step) does(o Step) bool {
	if s.Kind != o.Kind || s.Selector != o.Selector || s.Signer != o.Signer || len(s.After) != len(o.After) {
		return false
	}
	for name, v := range s.After {
		if o.After[name] != v {
			return false
		}
	}
	return true
}
