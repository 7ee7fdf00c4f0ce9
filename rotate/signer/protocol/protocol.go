package protocol

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

const formatVersion = 1

// The actions of a request.
const (
	Activate = "activate"
	Active   = "active"
	Forget   = "forget"
)

// Request is what a peer is asked to do.
type Request struct {
	FormatVersion int     `json:"format_version"`
	Action        string  `json:"action"`
	Signer        string  `json:"signer"` // the name in the configuration
	Domains       []Entry `json:"domains"`
}

// Entry is one domain of a request, with what the action needs of its key.
type Entry struct {
	Domain     string `json:"domain"`
	Selector   string `json:"selector,omitempty"`
	KeyID      string `json:"key_id,omitempty"`
	Record     string `json:"record,omitempty"`
	PrivateKey string `json:"private_key,omitempty"`
}

type answer struct {
	Active map[string]signs `json:"active"`

	twice map[string]bool // the domains that it names more than once, or of which it says something twice
}

// check refuses what the answer says of a domain where that is not plain; see signs.check.
func (a answer) check(domain, unknown string, secret map[string]bool) error {
	if a.twice[domain] {
		return errors.New("it names the domain, or a member of it, more than once")
	}
	return a.Active[domain].check(domain, unknown, secret)
}

// UnmarshalJSON notes what stands in the answer twice, in whatever spelling of a member JSON's reader takes for the
// same: which of the two counts is not for a reader to guess.
func (a *answer) UnmarshalJSON(text []byte) error {
	return members(text, func(name string, value json.RawMessage) error {
		if !strings.EqualFold(name, "active") || string(value) == "null" {
			return nil
		}
		if a.Active == nil {
			a.Active, a.twice = map[string]signs{}, map[string]bool{}
		}
		return members(value, func(domain string, value json.RawMessage) error {
			if _, named := a.Active[domain]; named {
				a.twice[domain] = true
			}
			var of signs
			if err := json.Unmarshal(value, &of); err != nil || string(value) == "null" {
				return err
			}
			a.Active[domain] = of
			said := map[string]bool{}
			return members(value, func(name string, _ json.RawMessage) error {
				name = strings.ToLower(name)
				a.twice[domain], said[name] = a.twice[domain] || said[name], true
				return nil
			})
		})
	})
}

// members calls each with the members of a JSON object, in their order, also with one that stands there again.
func members(text []byte, each func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return cmp.Or(err, errors.New("it is no object"))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := each(fmt.Sprint(name), value); err != nil {
			return err
		}
	}
	return nil
}

// signs is what a domain is signed with.
type signs struct {
	Selector string `json:"selector"`
	KeyID    string `json:"key_id"`
}

// keyID is the form of a key id.
var keyID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check refuses what is not a selector in normal form, and a key id, which may be missing, or the peer's word for one
// that it does not know. The error does not quote it: a peer that mixes up the fields may have put a private key there
// (I9). secret are the texts that hold a piece of one.
func (a signs) check(domain, unknown string, secret map[string]bool) error {
	name := dkim.Name{Domain: domain, Selector: a.Selector}
	if a.Selector == "" {
		return errors.New(`it has no "selector"`)
	}
	if name.Check() != nil || secret[a.Selector] {
		return fmt.Errorf(`the "selector" in it (%d octets) is not a selector in lower case`, len(a.Selector))
	}
	unidentified := unknown != "" && (a.KeyID == unknown || dkim.UnfitFor(a.KeyID) != "")
	if a.KeyID != "" && !unidentified && !keyID.MatchString(a.KeyID) || secret[a.KeyID] {
		return fmt.Errorf(`the "key_id" in it (%d octets) is not a key id, 64 hexadecimal digits in lower case`, len(a.KeyID))
	}
	return nil
}

// secret returns which texts of the answer hold a piece of a key of the request. What was asked for does not.
func (a answer) secret(r Request) map[string]bool {
	var odd []string
	for _, e := range r.Domains {
		signs := a.Active[e.Domain]
		for said, asked := range map[string]string{signs.Selector: e.Selector, signs.KeyID: e.KeyID} {
			if said != asked {
				odd = append(odd, said)
			}
		}
	}
	return r.Holding(odd)
}

// subject names the request's domains for people.
func (r Request) subject() string {
	if len(r.Domains) == 1 {
		return r.Domains[0].Domain
	}
	return fmt.Sprintf("%d domains", len(r.Domains))
}
