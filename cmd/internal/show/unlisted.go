package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Unlisted is a domain that the state knows and the configuration does not list.
// Nothing of it is touched.
type Unlisted struct {
	Name    string            `json:"name"`
	Phase   string            `json:"phase"`
	Records []string          `json:"records"` // the names of the key records that stay in DNS
	Keys    []string          `json:"keys"`    // the selectors whose private keys stay in the keystore
	Signers map[string]string `json:"signers"` // the selector that each signer goes on to sign with
}

// NewUnlisted makes the document of their states.
func NewUnlisted(states []rotate.State) []Unlisted {
	out := []Unlisted{}
	for _, st := range states {
		u := Unlisted{Name: st.Domain, Phase: string(st.Phase), Records: []string{}, Keys: []string{}, Signers: map[string]string{}}
		for _, s := range sortedKeys(st.Selectors) {
			sel := st.Selectors[s]
			if sel.Key == nil && sel.Next == nil {
				continue
			}
			u.Keys = append(u.Keys, s)
			if sel.Key != nil && !sel.Key.PublishedAt.IsZero() || sel.Next != nil && !sel.Next.PublishedAt.IsZero() {
				u.Records = append(u.Records, dkim.Name{Domain: st.Domain, Selector: s}.String())
			}
		}
		for name, c := range st.Signers {
			if !c.Unsure { // it was seen to sign with something else
				u.Signers[name] = c.Selector
			}
		}
		out = append(out, u)
	}
	return out
}

// Unlisted writes what stays where of domains that the configuration lists no more.
func (t Text) Unlisted(all []Unlisted) {
	for _, u := range all {
		t.heading(u.Name, rotate.Phase(u.Phase))
		fmt.Fprintf(t.W, "  %s it is not in the configuration any more; nothing of it is touched\n", t.yellow("warning:"))
		t.line("  ", "stays", strings.Join(u.stays(), "; "))
		t.line("  ", "", fmt.Sprintf("list it again to go on with it, or let go of it: dkimbot release --domain %s", u.Name))
		fmt.Fprintln(t.W)
	}
}

// stays says what of the domain is still where.
func (u Unlisted) stays() (out []string) {
	if len(u.Records) > 0 {
		out = append(out, strings.Join(u.Records, " and ")+" in DNS")
	}
	if len(u.Keys) > 0 {
		out = append(out, "the private keys of "+strings.Join(u.Keys, " and ")+" in the keystore")
	}
	for _, name := range sortedKeys(u.Signers) {
		out = append(out, "signer "+name+" signs with "+u.Signers[name])
	}
	return out
}

// UnlistedWarnings says that there are some, for commands about something else.
func UnlistedWarnings(states []rotate.State) (out []string) {
	const most = 5
	for i, st := range states {
		if i == most {
			return append(out, fmt.Sprintf("%d more domains are not in the configuration any more; 'dkimbot status' tells of all", len(states)-most))
		}
		out = append(out, fmt.Sprintf("%s is not in the configuration any more, and nothing of it is touched; 'dkimbot status' says what stays where", st.Domain))
	}
	return out
}
